"""Launching a training once and following it: progress for the person, its log for the ledger.

The training is a process or a call of its own that outlives this one. Following it means reading
what it writes to the volume; being interrupted means letting it go on.
"""

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from actions.carried import Carried, work_on
from actions.metering import Following
from actions.notes import TrainingNote, notes_of
from actions.ports import Ports, ports_of, translated
from actions.rates import rate_for
from agents.command import command
from agents.declare.actions import Context, Progress
from agents.errors import Interrupted, Unserved
from agents.ledger.past import about
from agents.run.options import state_directory
from goals.placed import PlacedParameters
from training.compute.port import QUEUE_TIMEOUT, Launch, Shipped, TrainingStatus
from training.compute.recipe import Hardware
from training.runner.order import Order
from training.store.tail import Tail

__all__ = [
    "AT_HAND",
    "LOG_LINE",
    "PACES",
    "Launching",
    "Pace",
    "launch_and_follow",
    "pace_of",
]


@dataclass(frozen=True)
class Pace:
    """How often a training is looked at.

    Attributes:
        seconds: Between two questions whether it still runs: one request, where it takes requests.
        of_files: Every so many questions what it wrote is read as well: up to five more.
    """

    seconds: float
    of_files: int


PACES = {"modal": Pace(15.0, 3), "loopback": Pace(0.5, 3)}
"""How often, where asking takes requests: of the cloud no more than 15 a minute, with room for what
else a run has to ask. A rehearsal asks the same, sooner."""

AT_HAND = Pace(0.5, 1)
"""How often where it takes none."""

LOG_LINE = " | "
"""In every line that a training writes while it is well."""

_STEP = re.compile(r"\| Step \d+")


@dataclass(frozen=True)
class Launching:
    """What is started.

    Attributes:
        order: What is trained.
        source: What it is started from.
        hardware: What it runs on; what that costs, and how long it is expected to take, is known
            when it is started.
        slice_seconds: The longest that one call or process of it goes on; None: no limit.
    """

    order: Order
    source: Shipped
    hardware: Hardware
    slice_seconds: float | None


def launch_and_follow(
    context: Context[PlacedParameters], job: Carried, launching: Launching
) -> TrainingStatus:
    """Launch a training, or attach to it, and follow it until it ends.

    Raises:
        Interrupted: The run is to stop; the training goes on.
        GoapError: It could not be launched, or nobody answers.
    """
    ports = ports_of(context)
    log = _Log(context, job, Tail(job.volume, job.log_name, _read_before(context, job)))
    launch = _launch(context, ports, job, launching)
    meter = Following(context, job, ports.compute.name)
    said = ""
    while True:
        with translated(), job.volume.look():
            status = ports.compute.status(job.key)
            log.follow()
            meter.follow(status.step, running=status.on_hardware)
        said = _tell(context, job, status, said)
        if not status.at_work:
            return status
        if launch.attached:
            _leave_queue(job, status, launching.hardware.queue_timeout)
        _wait(context, ports, job, launch)


def _leave_queue(job: Carried, status: TrainingStatus, most: float | None) -> None:
    """Wait no longer than was asked for with who launched it; their own time ends the call.

    Raises:
        Unserved: It waits longer, and goes on waiting.
    """
    if status.state != "queued" or most is None or (status.since or 0.0) < most:
        return
    raise Unserved(
        f"training {job.key} {status.words}, longer than queue_timeout={most:g}; it goes on "
        "waiting without us",
        fix="the same command with a longer queue_timeout= follows it again",
        name=QUEUE_TIMEOUT,
    )


def pace_of(compute: str) -> Pace:
    """How often a training is looked at there.

    Args:
        compute: Its name.
    """
    return PACES.get(compute, AT_HAND)


def _wait(context: Context[PlacedParameters], ports: Ports, job: Carried, launch: Launch) -> None:
    """Until it is time to read what a training wrote, or it runs no more.

    Raises:
        Interrupted: The run is to stop; the training goes on.
    """
    pace = pace_of(ports.compute.name)
    for question in range(pace.of_files):
        if question:
            with translated():
                if ports.compute.owner(job.key) is None:
                    return
        if not context.cancelled.wait(pace.seconds):
            continue
        if context.broke.is_set() and not launch.attached:
            _stop(ports, job)
        # the cap of who follows is none of who launched: theirs ends it
        raise Interrupted(
            f"training {job.key} goes on without us ({launch.owner}); "
            f"to stop it: {stop_command(context.state, job.key)}",
            fix="the same command re-attaches",
        )


def stop_command(state: Path, key: str) -> str:
    """The command that asks a training to save and end, wherever the next shell stands."""
    usual = state == state_directory(None)
    return command(f"stop {key}" if usual else f"stop {key} state={shlex.quote(str(state))}")


def _launch(
    context: Context[PlacedParameters], ports: Ports, job: Carried, launching: Launching
) -> Launch:
    # the intent is durable before the launch: a crash between the two is seen by the next run
    context.note(about=TrainingNote(training=job.key, launch="intended").about())
    rate = rate_for(context.state, ports.compute.name, launching.hardware)
    per_hour = rate.usd_per_hour if rate is not None else None
    hardware = replace(
        launching.hardware,
        usd_per_hour=(
            None if per_hour is None else (per_hour.low, per_hour.expected, per_hour.high)
        ),
        likely_seconds=context.likely_seconds,
    )
    # it ends by itself before the cap is passed, also when nobody is left to stop it
    deadline = _shortest(launching.slice_seconds, context.paid_seconds)
    with translated():
        launch = ports.compute.start(launching.order, launching.source, hardware, deadline)
    word = "re-attached to" if launch.attached else "launched"
    note = TrainingNote(
        training=job.key,
        launch="attached" if launch.attached else "launched",
        owner=launch.owner,
        call_id=launch.call_id,
    )
    context.note(f"{word} training {job.key} ({launch.owner})", about=note.about())
    if launch.warning:
        context.note(launch.warning)
    return launch


def _shortest(*limits: float | None) -> float | None:
    """The least of some limits; None where there is none."""
    return min((each for each in limits if each is not None), default=None)


def _stop(ports: Ports, job: Carried) -> None:
    """End the training: it saves, and whoever has more money resumes it."""
    with translated():
        ports.compute.stop(job.key)
    raise Interrupted(
        f"training {job.key} was told to save and end",
        fix="run the same command with a higher max_cost=: it resumes from the newest checkpoint",
    )


def _tell(
    context: Context[PlacedParameters], job: Carried, status: TrainingStatus, said: str
) -> str:
    """Show how far it is; what it waits for is noted once. The state that was told."""
    waits = status.at_work and status.state != "running"
    if status.at_work and status.state != said and (waits or said):
        context.note(f"training {job.key} {status.words}", work=work_on(job, status))
    if status.step is None or not status.target:
        if waits:
            context.progress(Progress(0, status.target or 0, status.words))
        return status.state
    parts = [status.words] if waits else []
    if status.loss is not None:
        parts.append(f"loss {status.loss:.4f}")
    eta = None
    if status.images_per_second:
        parts.append(f"{status.images_per_second:,.0f} images/s")
    if status.steps_per_second:
        eta = (status.target - status.step) / status.steps_per_second
    context.progress(Progress(status.step, status.target, " · ".join(parts), eta))
    return status.state


def _read_before(context: Context[PlacedParameters], job: Carried) -> int:
    """How many bytes of the log are in the ledger."""
    newest_first = notes_of(reversed(about(context.history(), "training", job.key)), job.key)
    return next((note.log_at for note in newest_first if note.log_at is not None), 0)


@dataclass(frozen=True)
class _Log:
    """What a training's log says, noted once; the lines of its steps are progress, not notes."""

    context: Context[PlacedParameters]
    job: Carried
    tail: Tail

    def follow(self) -> None:
        """Note the lines that are new."""
        lines = [
            line
            for line in self.tail.read().decode(errors="replace").splitlines()
            if line.strip() and not _STEP.search(line)
        ]
        if lines:
            note = TrainingNote(training=self.job.key, log_at=self.tail.at)
            self.context.note(log="\n".join(lines), about=note.about())
