"""commit-volume: what training produced is durable, proven by reading it again."""

from actions.carried import ending_of
from actions.job import Job, TrainingContext, job_of
from actions.measured import committed
from actions.ports import translated
from actions.touched import by_training
from agents.declare.actions import action, sensor
from agents.declare.facts import Fact, Reading
from agents.declare.outcome import Outcome
from agents.errors import Permanent
from goals.parameters import TrainingParameters
from goals.world import F
from training.errors import CheckpointError
from training.runner.ending import Reference
from training.store.commit import Commit, commit_ending, read_commit
from training.store.names import EARLIER_MANIFEST_FILE, MANIFEST_FILE

__all__ = ["commit_volume", "volume_committed"]


DAMAGED = ("checksum_differs", "file_missing")
"""What is not on the volume as its manifest promised; then the model must be made again."""


def _trained(params: TrainingParameters) -> Fact:
    return F[f"{params.model}_trained"]


@sensor(F.volume_committed, needs=F.auth_valid, parameters=TrainingParameters, timeout=15)
def volume_committed(context: TrainingContext) -> Reading:
    """True when the commit of the training's result is on the volume."""
    job = job_of(context)
    ending = ending_of(context, job) if job is not None else None
    if job is None or ending is None or ending.checkpoint is None:
        return Reading(False, "there is nothing to commit yet")
    commit = read_commit(job.directory)
    if commit is None or not _is_of(commit, ending.checkpoint):
        return Reading(False, f"step {ending.checkpoint.step:,} is not committed")
    return Reading(True, f"{len(commit.files)} files verified at {commit.created}")


@action(
    needs=_trained,
    effect=(F.volume_committed, ~F.documented),
    seconds=2,
    parameters=TrainingParameters,
    touches=by_training,
)
def commit_volume(context: TrainingContext) -> Outcome:
    """Make what was trained durable, and read every byte of it again to prove it."""
    job = _job(context)
    with translated():
        commit = _commit(job)
    return committed(job, commit)


def _is_of(commit: Commit, checkpoint: Reference) -> bool:
    """Whether a commit is of the very bytes of a checkpoint."""
    names = (f"{checkpoint.path}/{each}" for each in (MANIFEST_FILE, EARLIER_MANIFEST_FILE))
    manifest = next(filter(None, map(commit.files.get, names)), None)
    return manifest is not None and manifest.sha256 == checkpoint.sha256


def _commit(job: Job) -> Commit:
    try:
        return commit_ending(job.directory)
    except CheckpointError as error:
        if error.code in DAMAGED:
            job.directory.forget_result()
        raise


def _job(context: TrainingContext) -> Job:
    job = job_of(context)
    if job is None:
        raise Permanent(
            "there is no training to commit",
            name="dataset_missing",
        )
    return job
