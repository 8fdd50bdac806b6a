"""From what any training left on the volume to the parts of an outcome that records quote."""

import hashlib
from collections.abc import Sequence

from actions.carried import Carried
from agents.declare.outcome import Artifact, Measurement, Outcome, Verdict
from training.compute.port import Compute
from training.runner.ending import Ending
from training.runner.sealed import Checkpoint
from training.store.commit import Commit

__all__ = [
    "artifacts_of",
    "committed",
    "megabytes",
    "pruned",
    "thinned",
    "verdicts_of",
    "where_it_ran",
]

MOST_POINTS = 100
"""What a picture can show of a series."""

REHEARSED = (
    "; verified with the real client against the loopback control plane; the cloud itself was "
    "not reached"
)


def verdicts_of(ending: Ending) -> tuple[Verdict, ...]:
    """What the gates gave, as the engine keeps it."""
    return tuple(
        Verdict(
            name=each.name,
            metric=each.metric,
            threshold=each.threshold,
            direction=each.direction,
            value=each.value,
            passed=each.passed,
        )
        for each in ending.gates
    )


def artifacts_of(job: Carried, ending: Ending) -> tuple[Artifact, ...]:
    """The verdict, the checkpoint and the newest sample, each with its hash."""
    path = job.directory.result_name
    content = job.directory.read(path) or b""
    files = [("result", path, hashlib.sha256(content).hexdigest())]
    if ending.checkpoint is not None:
        manifest = job.directory.manifest_of(ending.checkpoint.path)
        files.append(("checkpoint", manifest, ending.checkpoint.sha256))
    if ending.samples is not None:
        files.append(("samples", ending.samples.path, ending.samples.sha256))
    return tuple(
        Artifact(name=name, path=path, sha256=sha256, bytes=job.volume.size(path) or 0)
        for name, path, sha256 in files
    )


def thinned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """As many points as a picture can show, the last one among them."""
    return (*points[: -1 : max(1, len(points) // MOST_POINTS)], points[-1])


def committed(job: Carried, commit: Commit) -> Outcome:
    """What was made durable, as an outcome."""
    size = sum(each.bytes for each in commit.files.values())
    path = job.directory.commit_name
    return Outcome(
        summary=f"{len(commit.files)} files, {size / 1e6:.1f} MB, hashes verified by reading again",
        measurements=(
            Measurement(name="files", value=len(commit.files), source=path),
            Measurement(name="bytes", value=size, unit="B", source=path),
        ),
        artifacts=tuple(
            Artifact(name=name.rsplit("/", 1)[-1], path=name, sha256=each.sha256, bytes=each.bytes)
            for name, each in sorted(commit.files.items())
        ),
        provenance={"training_key": job.key},
    )


def pruned(gone: Sequence[Checkpoint], source: str) -> Outcome:
    """What was deleted, as an outcome.

    Args:
        gone: The checkpoints.
        source: By what they were chosen.
    """
    size = sum(each.bytes for each in gone)
    return Outcome(
        summary=f"{len(gone)} checkpoints deleted, {megabytes(gone)} freed",
        measurements=(
            Measurement(name="deleted", value=len(gone), source=source),
            Measurement(name="freed", value=size, unit="B", source=source),
        ),
    )


def megabytes(checkpoints: Sequence[Checkpoint]) -> str:
    """The room that checkpoints take."""
    return f"{sum(each.bytes for each in checkpoints) / 1e6:.1f} MB"


def where_it_ran(ending: Ending, compute: Compute) -> str:
    """What was there, and what was asked for, in words; whether it was a rehearsal.

    The platform may give a better GPU, or the second of a list: nobody has to guess which.
    """
    known = ending.gpu and ending.device
    device = f"; on {ending.device}, asked for {ending.gpu}" if known else ""
    return device + (REHEARSED if compute.name == "loopback" else "")
