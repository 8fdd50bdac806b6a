"""The record of one run that measured something."""

from agents.records.adr.body import confirmation_body, evidence_body, run_file_name
from agents.records.evidence.measured import measurements
from agents.records.evidence.models import Evidence
from agents.records.evidence.run_log import RunLog
from agents.records.places import RUNS_FOLDER
from agents.records.text.markdown import Safe, number
from agents.records.text.render import render

__all__ = ["run_body", "run_path"]


def run_path(log: RunLog) -> str:
    """Where the record of a run is."""
    return f"{RUNS_FOLDER}/{run_file_name(log.facts.id)}"


def run_body(log: RunLog) -> str:
    """The steps up to the last one about something measured, and all that was measured.

    Later events of the run are left out on purpose: the step that writes this is one of them.
    """
    last = max(step.event.sequence for step in log.finished if step.about)
    return render(
        "run",
        {
            "run": log.facts,
            "steps": _steps(log, last),
            "word": log.subject.word,
            "measurements": [_measurement(evidence) for evidence in measurements(log)],
        },
    )


def _steps(log: RunLog, last: int) -> list[dict[str, object]]:
    steps: list[dict[str, object]] = [
        {
            "action": step.action,
            "result": step.outcome.summary,
            "seconds": number(step.seconds),
            "sequence": step.event.sequence,
        }
        for step in log.finished
    ]
    steps += [
        {
            "action": failure.action,
            "result": f"failed, {failure.name}: {failure.message}",
            "seconds": "not measured",
            "sequence": failure.event.sequence,
        }
        for failure in log.failed
    ]
    until = [step for step in steps if int(str(step["sequence"])) <= last]
    return sorted(until, key=lambda step: int(str(step["sequence"])))


def _measurement(evidence: Evidence) -> dict[str, object]:
    return {
        "key": evidence.about,
        "evidence": Safe(evidence_body(evidence, heading=False)),
        "confirmation": Safe(confirmation_body(evidence)),
    }
