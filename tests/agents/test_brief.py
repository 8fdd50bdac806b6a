"""What an agent reads of a run costs few bytes, whatever happened in it."""

import json

import pytest

from agents.cli.main import invoke
from agents.declare.outcome import Artifact, Outcome, Verdict
from agents.ledger.events import new_event
from agents.ledger.history import run_histories
from agents.ledger.payloads import (
    PlanMade,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
)
from agents.ledger.payloads.runs import PlanStep
from agents.ledger.store import Ledger
from agents.schemas.brief import MOST_BYTES, brief

LONG = "ü→\n" * 500


def events_of(steps):
    """A run of so many steps, each of which fails once with a long story and then is done."""
    given = {f"value{number}": LONG for number in range(steps)}
    said = [("goal", RunStarted(goal="goal", given=given))]
    names = [f"step_{number}" for number in range(steps)]
    plan = PlanMade(digest="0" * 64, steps=tuple(PlanStep(id=each, action=each) for each in names))
    said += [("goal", plan)] * steps
    gate = Verdict(
        name="g" * 300, metric="loss", value=1.0, threshold=0.5, direction=">=", passed=True
    )
    done = Outcome(summary=LONG, artifacts=(Artifact(name="a", path=LONG),), gates=(gate,))
    for name in names:
        who = {"step": name, "action": name}
        failed = {"class": "unknown", "name": "broken", "message": LONG, "fix": LONG}
        said += [
            (name, StepStarted(**who)),
            (name, StepFailed(**who, **failed)),
            (name, StepStarted(**who)),
            (name, StepFinished(**who, seconds=1.0, outcome=done)),
        ]
    said += [("goal", RunFinished(status="done", exit_code=0, message=LONG))]
    return [new_event(payload, run="r1", subject=subject) for subject, payload in said]


@pytest.mark.parametrize("steps", [0, 1, 7, 200])
def test_a_run_in_brief_fits_whatever_happened_and_says_what_it_leaves_out(steps):
    told = brief(run_histories(events_of(steps))[0])
    size = len(json.dumps(told.model_dump(mode="json"), ensure_ascii=False).encode())
    assert size <= MOST_BYTES
    assert (told.plans, told.status, told.events) == (steps, "done", 2 + 5 * steps)
    assert len(told.steps) + told.left_out.get("steps", 0) == 2 * steps
    assert len(told.failures) + told.left_out.get("failures", 0) == steps
    if steps:
        assert told.steps[-1].step == f"step_{steps - 1}"


def test_show_takes_4_kb_at_most_as_text_and_as_json_and_all_of_it_with_events(tmp_path, capsys):
    events = events_of(40)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.receive_all(events)

    def shown(*words):
        assert invoke(lambda: None, ["show", "last", f"state={tmp_path}", *words]) == 0
        return capsys.readouterr().out

    assert len(shown("--json").encode()) <= MOST_BYTES + 100
    text = shown()
    assert len(text.encode()) <= MOST_BYTES
    assert "lines are left out: " in text
    assert "ended: done" in text
    assert len(json.loads(shown("--events", "--json"))["data"]["events"]) == len(events)
    assert shown("--events").count("✓ step_") == 40
