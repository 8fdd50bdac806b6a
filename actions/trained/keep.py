"""commit_… and prune_…: what a declared training made is durable, and no more than is kept."""

from actions.carried import ending_of, result_of
from actions.measured import committed, megabytes, pruned
from actions.ports import ports_of, translated
from actions.trained.job import Job, NotYet, TrainedContext, needed_job, sought
from actions.trained.names import Part
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Outcome
from agents.errors import Permanent
from training.errors import CheckpointError
from training.runner.checkpoints import Store
from training.runner.ending import Ending
from training.store.commit import Commit, commit_ending, read_commit
from training.store.distant import DistantStore
from training.store.layout import LocalLayout

__all__ = ["CommitTrained", "Prune", "store_of"]

DAMAGED = ("checksum_differs", "file_missing")
"""What is not on the volume as its manifest promised; then it must be made again."""


class CommitTrained(Part):
    """Makes what one training left durable, and proves it by reading it again."""

    def needs(self, _params: object) -> tuple[Condition, ...]:
        """That it is trained."""
        return (self.holds("trained"),)

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """Committed, which is worth a record."""
        return self.holds("committed"), ~self.facts.documented

    def look(self, context: TrainedContext) -> Reading:
        """Whether the commit of its result is on the volume."""
        job = sought(context, self.training)
        ending = ending_of(context, job) if isinstance(job, Job) else None
        if not isinstance(job, Job) or ending is None or ending.status != "completed":
            return Reading(False, "there is nothing to commit yet")
        commit = read_commit(job.directory)
        content = result_of(context, job)
        if commit is None or not _is_of(commit, job, ending, content):
            return Reading(False, f"step {ending.step:,} is not committed")
        return Reading(True, f"{len(commit.files)} files verified at {commit.created}")

    def run(self, context: TrainedContext) -> Outcome:
        """Publish it, and read every byte again."""
        job = needed_job(context, self.training)
        ending = job.ending()
        if ending is None or ending.status != "completed":
            raise Permanent(f"training {job.key} has not ended", name="nothing_to_commit")
        with translated():
            try:
                commit = commit_ending(job.directory)
            except CheckpointError as error:
                if error.code in DAMAGED:
                    job.directory.forget_result()
                raise
        return committed(job, commit)


def _is_of(commit: Commit, job: Job, ending: Ending, content: bytes) -> bool:
    """Whether a commit is of the very end of a training: of its numbers and its checkpoint."""
    return commit.holds(job.directory.result_name, content) and (
        ending.checkpoint is None or commit.checkpoint == ending.checkpoint.path
    )


class Prune(Part):
    """Deletes the checkpoints of one training that its policy of now does not keep."""

    def needs(self, _params: object) -> tuple[Condition, ...]:
        """That it is trained: until then its runner prunes, after each checkpoint."""
        return (self.holds("trained"),)

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """Pruned."""
        return (self.holds("pruned"),)

    def look(self, context: TrainedContext) -> Reading:
        """Whether pruning now would delete nothing."""
        job = sought(context, self.training)
        if isinstance(job, NotYet):
            return Reading(True, "there are no checkpoints of this training")
        ending = ending_of(context, job)
        if ending is None or ending.status != "completed":
            return Reading(True, "its runner prunes, after each checkpoint")
        store = store_of(context, job)
        with translated(), job.volume.look():
            # what is not there is not asked for one by one
            job.volume.listdir(job.directory.checkpoints_name)
            there = store.entries()
            more = store.surplus(job.order.keep, there)
        if more:
            return Reading(False, f"{len(more)} more than the policy keeps ({megabytes(more)})")
        return Reading(True, f"{len(there)} kept, none to delete")

    def run(self, context: TrainedContext) -> Outcome:
        """Delete them, while no runner works there; never the newest valid one."""
        job = needed_job(context, self.training)
        with translated():
            if ports_of(context).compute.status(job.key).at_work:
                return Outcome(summary="its runner prunes")
            gone = store_of(context, job).prune(job.order.keep)
        if gone:
            steps = ", ".join(f"{each.step:,}" for each in gone)
            context.note(f"pruned {job.key}: the checkpoints of steps {steps}")
        return pruned(gone, "retention policy")


def store_of(context: TrainedContext, job: Job) -> Store | DistantStore:
    """The checkpoints of a training, wherever its volume is."""
    root = ports_of(context).volume.local_root
    if root is None:
        return DistantStore(job.directory, job.order)
    return Store(job.order, LocalLayout(root, job.key))
