"""From what a training wrote to the volume to what the ledger keeps and the records quote."""

import hashlib

from actions.job import Job
from agents.declare.outcome import (
    Artifact,
    Decision,
    Measurement,
    Outcome,
    Ranking,
    Series,
    Verdict,
)
from training.compute.port import Compute
from training.store.names import MANIFEST_FILE
from training.store.result import CheckpointRef, Result

__all__ = ["gates_of", "outcome_of"]

# figures of the last few steps, which say nothing about the whole
_OF_THE_WINDOW = ("loss", "lr", "grad_norm", "window", "steps_per_second", "images_per_second")

MOST_POINTS = 100

REHEARSED = (
    "; verified with the real client against the loopback control plane; the cloud itself was "
    "not reached"
)

_RANKINGS = {
    "dit": Ranking(measurement="validation_loss", best="lowest"),
    "classifier": Ranking(measurement="accuracy", best="highest"),
}

_UNITS = {"seconds": "s", "judging_seconds": "s", "images_per_second": "images/s", "step": "steps"}


def outcome_of(job: Job, result: Result, compute: Compute) -> Outcome:
    """The typed outcome of a finished training; every number names the file it was read from."""
    source = job.directory.result_name
    numbers = {
        "steps": float(result.step),
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        **{name: value for name, value in result.metrics.items() if name not in _OF_THE_WINDOW},
    }
    return Outcome(
        summary=_summary(job, result) + (REHEARSED if compute.name == "loopback" else ""),
        measurements=tuple(
            Measurement(name=name, value=value, unit=_UNITS.get(name, ""), source=source)
            for name, value in numbers.items()
        ),
        series=_series(job),
        artifacts=_artifacts(job, result),
        gates=gates_of(result),
        provenance=_provenance(job, result, compute),
        decision=_decision(job, result.checkpoint) if result.passed else None,
        lesson=_lesson(job) if result.passed else "",
    )


def gates_of(result: Result) -> tuple[Verdict, ...]:
    """What a training's gates gave, as the engine keeps it."""
    return tuple(
        Verdict(
            name=verdict.name,
            metric=verdict.metric,
            threshold=verdict.threshold,
            direction=verdict.direction,
            value=verdict.value,
            passed=verdict.passed,
        )
        for verdict in result.gates
    )


def _series(job: Job) -> tuple[Series, ...]:
    """The losses as they fell, thinned to what a picture can show."""
    path = job.directory.metrics_name
    rows = list(job.directory.metrics())
    series = []
    for name in ("loss", "validation_loss"):
        points = [(float(row["step"]), float(row[name])) for row in rows if name in row]
        every = max(1, len(points) // MOST_POINTS)
        if points:
            thinned = (*points[:-1:every], points[-1])
            series.append(Series(name=name, points=thinned, source=path))
    return tuple(series)


def _summary(job: Job, result: Result) -> str:
    loss = result.metrics.get("loss_final")
    shown = "" if loss is None else f", loss {loss:.4f}"
    data = " on SYNTHETIC cats" if job.spec.kind == "synthetic" else f" on {job.spec.label}"
    verdict = "all gates passed" if result.passed else "a gate failed"
    return f"{job.model} {result.step:,} steps{data}{shown}, {result.seconds:.0f} s; {verdict}"


def _artifacts(job: Job, result: Result) -> tuple[Artifact, ...]:
    path, content = job.directory.result_name, job.directory.read(job.directory.result_name) or b""
    verdict = hashlib.sha256(content).hexdigest()
    files = [("result", path, verdict)]
    if result.checkpoint is not None:
        manifest = f"{result.checkpoint.path}/{MANIFEST_FILE}"
        files.append(("checkpoint", manifest, result.checkpoint.sha256))
    if result.samples is not None:
        files.append(("samples", result.samples.path, result.samples.sha256))
    return tuple(
        Artifact(name=name, path=path, sha256=sha256, bytes=_size(job, path))
        for name, path, sha256 in files
    )


def _size(job: Job, path: str) -> int:
    return job.volume.size(path) or 0


def _provenance(job: Job, result: Result, compute: Compute) -> dict[str, str]:
    return {
        "training_key": job.key,
        "model": job.model,
        "preset": result.preset,
        "dataset": job.spec.label,
        "dataset_kind": job.spec.kind,
        "dataset_digest": job.spec.data,
        "config_digest": result.config_digest,
        "source_digest": result.source_digest,
        "compute": compute.name,
        "image": compute.image_fingerprint(),
        "device": result.device,
        "dtype": result.dtype,
        "threads": str(result.threads),
        "attempts": str(result.attempts),
        "torch": result.torch,
        "started": result.started,
        "ended": result.ended,
    }


def _decision(job: Job, checkpoint: CheckpointRef | None) -> Decision | None:
    if checkpoint is None:
        return None
    ranking = _RANKINGS[job.model]
    return Decision(
        key=f"promote:{job.model}:{job.spec.data[:16]}",
        title=f"Promote {job.model} {job.key} for {job.spec.label}",
        context=(
            f"The goal asked for a {job.model} trained on {_data(job)}. A model is promoted when "
            f"every gate passed and no earlier one of this ledger, on the same dataset, had a "
            f"better {ranking.measurement}. Both are measured on the finished training, not "
            "judged by eye."
        ),
        decision=(
            f"Use {checkpoint.path} on the volume as the {job.model} for {job.spec.label}: the "
            f"checkpoint of training {job.key}. The checksum of its manifest is under Evidence."
        ),
        positive=(
            "Anyone who has the volume can verify the checkpoint: each file has a checksum.",
            "The same configuration, source and dataset are the same key, and not paid for again.",
        ),
        negative=(
            ("The photos are synthetic drawings: this model says nothing about real cats.",)
            if job.spec.kind == "synthetic"
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
    return kinds.get(job.spec.kind, f"the photos of {job.spec.label}")
