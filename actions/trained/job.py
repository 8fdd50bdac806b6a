"""The training that a goal asks for: its order, with its key, from what is true now."""

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from pydantic import BaseModel

from actions.carried import Carried, ending_of
from actions.ports import ports_of, translated
from actions.trained.files import hashes_in, source_at
from actions.trained.made import best_of, output_of
from actions.trained.parameters import TrainedParameters
from agents.declare.actions import Context
from agents.errors import Permanent
from training.declare.data import Placed, placed_of
from training.declare.order import order_of, smoke_order
from training.declare.source import Source
from training.declare.training import Training
from training.runner.ending import Ending
from training.runner.order import Init, Order
from training.store.directory import TrainingDirectory

__all__ = [
    "Job",
    "NotYet",
    "TrainedContext",
    "data_of",
    "needed_job",
    "smoke_of",
    "sought",
    "source_for",
]

TrainedContext: TypeAlias = Context[TrainedParameters]
"""What sensors and actions of a declared training are given."""


@dataclass(frozen=True)
class NotYet:
    """There is no order, and so no key, while something that it is made of is not known.

    Attributes:
        why: What is waited for, in words.
    """

    why: str


@dataclass(frozen=True)
class Job(Carried):
    """A declared training with its key, and where it writes.

    Attributes:
        training: The declaration.
        source: What it is started from.
    """

    training: Training
    source: Source

    @property
    def name(self) -> str:
        """What the training is called."""
        return self.training.name

    def holds(self, ending: Ending) -> bool:
        """Whether the checkpoint that an ending names is on the volume, if it names one."""
        return ending.checkpoint is None or super().holds(ending)


def sought(
    context: TrainedContext, training: Training, settings: BaseModel | None = None
) -> Job | NotYet:
    """The training that the parameters ask for, made of what is true now; looked up once.

    Args:
        context: Whose parameters.
        training: The declaration.
        settings: Other ones than the parameters say.
    """
    asked = context.params.settings_of(training) if settings is None else settings
    look = partial(_sought, context, training, asked)
    job: Job | NotYet = context.once(f"job {training.name} {asked!r}", look)
    return job


def needed_job(
    context: TrainedContext, training: Training, settings: BaseModel | None = None
) -> Job:
    """The same for who cannot do without.

    Raises:
        Permanent: It is not known yet.
    """
    job = sought(context, training, settings)
    if isinstance(job, NotYet):
        fix = "run the same command again: it makes first what this is made of"
        raise Permanent(f"{training.name}: {job.why}", fix=fix, name="not_known_yet")
    return job


def _sought(context: TrainedContext, training: Training, settings: BaseModel) -> Job | NotYet:
    init, data = _init_of(context, training), data_of(context, training)
    if isinstance(init, NotYet):
        return init
    if isinstance(data, NotYet):
        return data
    source = source_for(context, training)
    with translated():
        order = order_of(training, settings, source, data=data, init=init)
    directory = TrainingDirectory(ports_of(context).volume, order.key)
    return Job(directory, order, training, source)


def _init_of(context: TrainedContext, training: Training) -> Init | NotYet | None:
    """The checkpoint that a training begins with; None where it begins with none."""
    if training.init is None:
        return None
    finished = _finished(context, training.init)
    if isinstance(finished, NotYet):
        return finished
    job, ending = finished
    best = best_of(job.directory, job.order, ending)
    if best is None:
        return NotYet(f"training {job.key} of {job.name} made no checkpoint to begin with")
    return Init(training=job.key, checkpoint=best.path, digest=best.sha256)


def data_of(context: TrainedContext, training: Training) -> Placed | NotYet | None:
    """The data of a training on the volume; None where it has none; looked up once."""
    look = partial(_data_of, context, training)
    found: Placed | NotYet | None = context.once(f"data {training.name}", look)
    return found


def _data_of(context: TrainedContext, training: Training) -> Placed | NotYet | None:
    if training.data is None:
        return None
    if not isinstance(training.data, Training):
        with translated():
            placed = placed_of(training, ports_of(context).volume, hashes_in(context.state))
        return placed or NotYet("the command that prepares its data did not run yet")
    finished = _finished(context, training.data)
    if isinstance(finished, NotYet):
        return finished
    job, _ = finished
    written = output_of(job.directory, job.name)
    if written is None:
        return NotYet(f"training {job.key} of {job.name} has no committed output/ to read")
    return written


def _finished(context: TrainedContext, training: Training) -> tuple[Job, Ending] | NotYet:
    """A training that others come after, once it is at its end."""
    job = sought(context, training)
    if isinstance(job, NotYet):
        return job
    ending = ending_of(context, job)
    if ending is None or not ending.passed or not job.holds(ending):
        return NotYet(f"it waits for {training.name}, which is not trained yet")
    return job, ending


def smoke_of(context: TrainedContext, training: Training) -> Order | NotYet | None:
    """The training that proves the image; None where none is declared."""
    if not training.smoke:
        return None
    init, data = _init_of(context, training), data_of(context, training)
    if isinstance(init, NotYet):
        return init
    if isinstance(data, NotYet):
        return data
    with translated():
        return smoke_order(training, source_for(context, training), data=data, init=init)


def source_for(context: TrainedContext, training: Training) -> Source:
    """The files that a training is started from, as they are now."""
    source: Source = context.once(
        f"source {training.name}", partial(source_at, training, context.params, context.state)
    )
    return source
