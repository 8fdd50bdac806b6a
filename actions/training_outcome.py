"""From what a training wrote to the volume to what the ledger keeps and the records quote."""

from actions.job import Job
from actions.measured import artifacts_of, thinned, verdicts_of, where_it_ran
from agents.declare.outcome import Decision, Measurement, Outcome, Ranking, Series
from training.compute.port import Compute
from training.key import config_digest
from training.runner.ending import Ending, Reference

__all__ = ["outcome_of"]

# figures of the last few steps, which say nothing about the whole
_OF_THE_WINDOW = ("loss", "lr", "grad_norm", "window", "steps_per_second")

_ABOUT = ("threads", "processes")
"""Numbers that say how it was computed."""

_RANKINGS = {
    "dit": Ranking(measurement="validation_loss", best="lowest"),
    "classifier": Ranking(measurement="accuracy", best="highest"),
}

_UNITS = {"seconds": "s", "judging_seconds": "s", "images_per_second": "images/s", "step": "steps"}


def outcome_of(job: Job, ending: Ending, compute: Compute) -> Outcome:
    """The typed outcome of a finished training; every number names the file it was read from."""
    source = job.directory.result_name
    left_out = (*_OF_THE_WINDOW, *_ABOUT)
    numbers = {
        **{name: value for name, value in ending.numbers.items() if name not in left_out},
        "steps": float(ending.step),
        "seconds": ending.seconds,
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
        decision=_decision(job, ending.checkpoint) if ending.passed else None,
        lesson=_lesson(job) if ending.passed else "",
    )


def _series(job: Job) -> tuple[Series, ...]:
    """The losses as they fell, thinned to what a picture can show."""
    path = job.directory.metrics_name
    rows = list(job.directory.metrics())
    series = []
    for name in ("loss", "validation_loss"):
        points = [(float(row["step"]), float(row[name])) for row in rows if name in row]
        if points:
            series.append(Series(name=name, points=thinned(points), source=path))
    return tuple(series)


def _summary(job: Job, ending: Ending) -> str:
    loss = ending.numbers.get("loss_final")
    shown = "" if loss is None else f", loss {loss:.4f}"
    data = " on SYNTHETIC cats" if job.kind == "synthetic" else f" on {job.order.label}"
    verdict = "all gates passed" if ending.passed else "a gate failed"
    return f"{job.model} {ending.step:,} steps{data}{shown}, {ending.seconds:.0f} s; {verdict}"


def _provenance(job: Job, ending: Ending, compute: Compute) -> dict[str, str]:
    return {
        "training_key": job.key,
        "model": job.model,
        "preset": job.config.preset,
        "dataset": job.order.label,
        "dataset_kind": job.kind,
        "dataset_digest": job.order.data,
        "config_digest": config_digest(job.order.parts.settings),
        "source_digest": job.order.parts.source,
        "compute": compute.name,
        "image": job.order.image,
        "device": ending.device,
        "gpu": ending.gpu,
        "dtype": ending.about.get("dtype", ""),
        "threads": f"{ending.numbers.get('threads', 0):g}",
        "attempts": str(ending.attempts),
        "torch": ending.about.get("torch", ""),
        "started": ending.started,
        "ended": ending.ended,
    }


def _decision(job: Job, checkpoint: Reference | None) -> Decision | None:
    if checkpoint is None:
        return None
    ranking = _RANKINGS[job.model]
    return Decision(
        key=f"promote:{job.model}:{job.order.data[:16]}",
        title=f"Promote {job.model} {job.key} for {job.order.label}",
        context=(
            f"The goal asked for a {job.model} trained on {_data(job)}. A model is promoted when "
            f"every gate passed and no earlier one of this ledger, on the same dataset, had a "
            f"better {ranking.measurement}. Both are measured on the finished training, not "
            "judged by eye."
        ),
        decision=(
            f"Use {checkpoint.path} on the volume as the {job.model} for {job.order.label}: the "
            f"checkpoint of training {job.key}. The checksum of its manifest is under Evidence."
        ),
        positive=(
            "Anyone who has the volume can verify the checkpoint: each file has a checksum.",
            "The same configuration, source and dataset are the same key, and not paid for again.",
        ),
        negative=(
            ("The photos are synthetic drawings: this model says nothing about real cats.",)
            if job.kind == "synthetic"
            else ("The gates are thresholds, not a full evaluation.",)
        ),
        neutral=(
            "A better training on the same dataset supersedes this record; another adds evidence.",
        ),
        alternatives=(
            ("Promote by the last log line", "a log line is not a measurement of the weights"),
            ("Choose by looking at samples", "two people would choose two checkpoints"),
        ),
        ranking=ranking,
        references=(job.directory.metrics_name, job.directory.log_name),
    )


def _lesson(job: Job) -> str:
    return f"Preset {job.config.preset} trains a {job.model} on {_data(job)} to passing gates."


def _data(job: Job) -> str:
    kinds = {"synthetic": "synthetic cats", "pets": "the Oxford-IIIT cats"}
    return kinds.get(job.kind, f"the photos of {job.order.label}")
