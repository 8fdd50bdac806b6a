"""From what a declared training wrote to the volume to what the ledger keeps and records quote."""

from actions.measured import artifacts_of, thinned, verdicts_of, where_it_ran
from actions.trained.job import Job
from agents.declare.outcome import Decision, Measurement, Outcome, Ranking, Series
from training.compute.port import Compute
from training.key import config_digest
from training.runner.ending import Ending
from training.runner.watch import finite

__all__ = ["outcome_of", "ranking_of"]

MOST_SERIES = 6

_UNITS = {"seconds": "s", "steps": "steps", "steps_per_second": "steps/s"}


def outcome_of(job: Job, ending: Ending, compute: Compute) -> Outcome:
    """The typed outcome of a finished training; every number names the file it was read from."""
    source = job.directory.result_name
    rate = ending.steps_per_second
    # what the runner measured itself is not what a script calls by the same name
    numbers = {
        **ending.numbers,
        "steps": float(ending.step),
        "seconds": ending.seconds,
        **({} if rate is None else {"steps_per_second": rate}),
    }
    return Outcome(
        summary=_summary(job, ending) + where_it_ran(ending, compute),
        measurements=tuple(
            Measurement(name=name, value=value, unit=_UNITS.get(name, ""), source=source)
            for name, value in numbers.items()
        ),
        series=_series(job),
        artifacts=artifacts_of(job, ending),
        gates=verdicts_of(ending),
        provenance=_provenance(job, ending, compute),
        decision=_decision(job, ending) if ending.passed else None,
        lesson=_lesson(job) if ending.passed else "",
    )


def _summary(job: Job, ending: Ending) -> str:
    """A training that reached its end, in one line."""
    loss = ending.numbers.get("loss_final")
    shown = "" if loss is None else f", loss {loss:.4g}"
    data = f" on {job.order.label}" if job.order.label else ""
    gates = ("; all gates passed" if ending.passed else "; a gate failed") if ending.gates else ""
    return f"{job.name} {ending.step:,} steps{data}{shown}, {ending.seconds:.0f} s{gates}"


def ranking_of(job: Job) -> Ranking | None:
    """By what one training is better than another: its policy's best, else its first gate."""
    keep, gates = job.order.keep, job.order.gates
    if keep.best is not None:
        return Ranking(measurement=keep.best, best=keep.best_of)
    if not gates:
        return None
    best = "lowest" if gates[0].direction == "<=" else "highest"
    return Ranking(measurement=gates[0].metric, best=best)


def _series(job: Job) -> tuple[Series, ...]:
    """The numbers as they changed, thinned to what a picture can show."""
    path, columns = job.directory.metrics_name, dict[str, dict[float, float]]()
    for row in job.directory.metrics():
        numbers = finite(row)
        step = numbers.pop("step", None)
        for name, value in numbers.items() if step is not None else ():
            # of two rows for one step the later counts
            columns.setdefault(name, {})[step or 0.0] = value
    columns.pop("time", None)
    names = sorted(columns, key=lambda name: (name != "loss", "loss" not in name, name))
    return tuple(
        Series(name=name, points=thinned(sorted(columns[name].items())), source=path)
        for name in names[:MOST_SERIES]
    )


def _provenance(job: Job, ending: Ending, compute: Compute) -> dict[str, str]:
    order = job.order
    return {
        **ending.about,
        "training_key": order.key,
        "training": order.name,
        "dataset": order.label or "none",
        "dataset_digest": order.data or "none",
        "config_digest": config_digest(order.parts.settings),
        "source_digest": order.parts.source,
        "init": "" if order.init is None else order.init.training,
        "requirements": " ".join(order.parts.requirements),
        "compute": compute.name,
        "image": order.image,
        "device": ending.device or "not said",
        "gpu": ending.gpu,
        "python": ending.python,
        "attempts": str(ending.attempts),
        "started": ending.started,
        "ended": ending.ended,
    }


def _decision(job: Job, ending: Ending) -> Decision | None:
    """The choice of this training's checkpoint; None where it made none, or nothing judges it."""
    ranking, checkpoint = ranking_of(job), ending.checkpoint
    if checkpoint is None or ranking is None:
        return None
    data = job.order.label or "the data its source holds"
    return Decision(
        key=f"promote:{job.name}:{job.order.data[:16] or 'none'}",
        title=f"Promote {job.name} {job.key}",
        context=(
            f"The goal asked for {job.name} trained on {data}. It is promoted when every gate "
            f"passed and no earlier one of this ledger, on the same data, had a better "
            f"{ranking.measurement}. Both are measured on the finished training, not judged by eye."
        ),
        decision=(
            f"Use {checkpoint.path} on the volume as {job.name}: the checkpoint of training "
            f"{job.key}. The checksum of its manifest is under Evidence."
        ),
        positive=(
            "Anyone who has the volume can verify the checkpoint: each file has a checksum.",
            "The same settings, source and data are the same key, and not paid for again.",
        ),
        negative=("The gates are thresholds, not a full evaluation.",),
        neutral=(
            "A better training on the same data supersedes this record; another adds evidence.",
        ),
        alternatives=(
            ("Promote by the last log line", "a log line is not a measurement of the result"),
        ),
        ranking=ranking,
        references=(job.directory.metrics_name, job.directory.log_name),
    )


def _lesson(job: Job) -> str:
    on = f" on {job.order.label}" if job.order.label else ""
    gates = " to passing gates" if job.order.gates else " to its end"
    return f"The settings of {job.name} train{on}{gates}."
