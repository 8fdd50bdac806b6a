"""Recoveries that change how the next attempt runs: smaller pieces, or a lower rate from before."""

import dataclasses

from actions.carried import SMALLEST_SCALE, forget_after
from actions.job import Job, TrainingContext, job_of
from actions.touched import by_training
from agents.declare.actions import action
from agents.declare.outcome import Outcome
from agents.errors import ActionFailed, FailureClass, Permanent
from goals.parameters import TrainingParameters
from goals.world import F
from training.runner.ending import Ending

__all__ = ["halve_micro_batch", "roll_back"]


@action(
    effect=F.fits_memory,
    seconds=1,
    recovery=True,
    parameters=TrainingParameters,
    touches=by_training,
)
def halve_micro_batch(context: TrainingContext) -> Outcome:
    """After running out of memory: half as many images at once, accumulated over more passes."""
    job, ending = _failed(context)
    now = job.adjusted()
    current = now.micro_batch or context.params.micro_batch or job.config.batch
    if current == 1:
        raise Permanent(
            "a single image at a time does not fit into memory",
            fix="use a smaller model (preset=, dim=, depth=) or a larger machine",
            name="out_of_memory",
        )
    job.adjust(dataclasses.replace(now, micro_batch=current // 2, after_attempt=ending.attempts))
    return Outcome(summary=f"micro-batch {current} → {current // 2}, same batch by accumulation")


@action(
    effect=F.loss_finite,
    seconds=1,
    recovery=True,
    parameters=TrainingParameters,
    touches=by_training,
)
def roll_back(context: TrainingContext) -> Outcome:
    """After the loss diverged: back to the last good checkpoint, with half the learning rate."""
    job, ending = _failed(context)
    now = job.adjusted()
    scale = now.learning_rate_scale / 2
    if scale < SMALLEST_SCALE:
        raise ActionFailed(
            f"training {job.key} diverges even at {now.learning_rate_scale:g} of its learning rate",
            fix="look at the data and at training.log; then change learning_rate= or the source",
            failure_class=FailureClass.NUMERIC,
            name="diverged_at_every_rate",
        )
    before = max(0, ending.step - job.config.save_every // 2)
    # what led to the failure is deleted, and the rate changed after
    there = {step: job.directory.checkpoint_name(step) for step in job.directory.checkpoint_steps()}
    kept = forget_after(context, job, there, before)
    job.adjust(
        dataclasses.replace(
            now,
            learning_rate_scale=scale,
            after_attempt=ending.attempts,
            rolled_back=now.rolled_back + 1,
        )
    )
    return Outcome(summary=f"back to step {kept:,}, learning rate x {scale:g}")


def _failed(context: TrainingContext) -> tuple[Job, Ending]:
    job = job_of(context)
    ending = job.ending() if job is not None else None
    if job is None or ending is None:
        raise Permanent(
            "there is no failed training to adjust",
            name="nothing_failed",
        )
    return job, ending
