"""prepare_…_data: the data of a declared training is on the volume, under its digest."""

import json
import sys
import time
from dataclasses import replace
from typing import Self

from actions.ports import is_accepted, ports_of, translated
from actions.rates import cost_on, rate_for
from actions.trained.files import hashes_in
from actions.trained.job import NotYet, TrainedContext, data_of
from actions.trained.names import Part
from actions.trained.parameters import TrainedParameters
from agents.declare.actions import Cost, Meter, Range
from agents.declare.context import Progress
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Artifact, Measurement, Outcome
from training.compute.interpreter import interpreter_for
from training.declare.data import Placed, identity_of, is_placed, manifest_name
from training.declare.order import making_hardware, recipe_of
from training.declare.prepare import Prepare
from training.declare.preparing import prepare
from training.errors import ImageError
from training.runner.account import dollars_of, is_open, total_seconds, uses_of
from training.store.directory import TrainingDirectory
from training.store.layout import kept_account_name, making_key
from training.store.volume import Volume

__all__ = ["Data"]

THERE_SECONDS = 60.0
SECONDS_BETWEEN_NOTES = 1.0


class Data(Part):
    """Brings the data of one training to the volume."""

    def needs(self, _params: object) -> tuple[Condition, ...]:
        """Credentials."""
        return (self.facts.auth_valid == True,)  # noqa: E712

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """The data is there."""
        return (self.holds("data"),)

    def cost(self, params: TrainedParameters) -> Cost:
        """A moment here; nobody knows what a container takes."""
        if self._runs and params.compute == "modal":
            return cost_on(params.compute, making_hardware(self.training), THERE_SECONDS)
        return Cost(5.0, 0.0, params.compute)

    def look(self, context: TrainedContext) -> Reading:
        """Whether it is there as it is now."""
        placed = data_of(context, self.training)
        if placed is None or isinstance(placed, NotYet):
            return Reading(False, "" if placed is None else placed.why)
        if not is_placed(ports_of(context).volume, placed):
            return Reading(False, f"{placed.label} is not on the volume as it is now")
        return Reading(True, f"{placed.label}: {placed.path}")

    def run(self, context: TrainedContext) -> Outcome:
        """Copy the folder, or run the command that makes it: here, or where the volume is."""
        ports = ports_of(context)
        self._tell(context)
        with translated(), _Telling(context) as telling:
            placed = prepare(
                self.training,
                ports.volume,
                hashes_in(context.state),
                log=telling,
                cancelled=context.cancelled,
                python=self._python(),
                maker=ports.compute.maker if self._runs else None,
                usd_per_hour=self._usd_per_hour(context, ports.compute.name),
            )
        files, size = _counted(ports.volume, placed)
        source = manifest_name(placed.digest)
        return Outcome(
            summary=f"{placed.label}: {files:,} files, {size / 1e6:.1f} MB",
            measurements=(
                Measurement(name="files", value=files, source=source),
                Measurement(name="bytes", value=size, unit="B", source=source),
            ),
            artifacts=(Artifact(name="data", path=source, sha256=ports.volume.sha256(source)),),
            provenance={"dataset": placed.label, "data": placed.digest},
        )

    def account(self, context: TrainedContext) -> str:
        """What its container is called: whoever makes the same data finds what was spent on it."""
        if not self._runs or context.params.compute == "local" or not is_accepted(context):
            return ""
        return self._key(context)

    def meter(self, context: TrainedContext) -> Meter | None:
        """What its containers used so far."""
        if not self.account(context):
            return None
        ports, key = ports_of(context), self._key(context)
        with translated():
            account = TrainingDirectory(ports.volume, key).read(kept_account_name(key))
            uses = uses_of(account or b"")
            running = is_open(uses) and ports.compute.owner(key) is not None
        dollars = dollars_of(uses)
        usd = None if dollars is None else Range(*dollars)
        return Meter(total_seconds(uses), usd, running)

    def _tell(self, context: TrainedContext) -> None:
        """From now on it is paid; that it waits for its container is a moment without a GPU."""
        meter = self.meter(context) if self.account(context) else None
        if meter is not None:
            context.used(replace(meter, running=True))

    def _key(self, context: TrainedContext) -> str:
        data = self.training.data
        assert isinstance(data, Prepare)  # noqa: S101 - asked before
        found = identity_of(self.training.folder, data, hashes_in(context.state))
        return making_key(found)

    def _usd_per_hour(
        self, context: TrainedContext, compute: str
    ) -> tuple[float, float, float] | None:
        rate = rate_for(context.state, compute, making_hardware(self.training))
        hour = None if rate is None else rate.usd_per_hour
        return None if hour is None else (hour.low, hour.expected, hour.high)

    @property
    def _runs(self) -> bool:
        """Whether a command makes it."""
        return isinstance(self.training.data, Prepare)

    def _python(self) -> str:
        """What a command runs under: what the training needs, where it is here; else this one."""
        try:
            return interpreter_for(recipe_of(self.training).requirements).path
        except ImageError:
            return sys.executable


class _Telling:
    """Tells what a command prints: all of it to the ledger, the newest line to who watches.

    A command may print a line for each of a million files, and an entry of the ledger is made
    durable: what it prints within a second is one entry.
    """

    def __init__(self, context: TrainedContext) -> None:
        self._context = context
        self._lines: list[str] = []
        self._noted = -SECONDS_BETWEEN_NOTES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._note()

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        self._context.progress(Progress(0, 0, line.strip()))
        if time.monotonic() - self._noted >= SECONDS_BETWEEN_NOTES:
            self._note()

    def _note(self) -> None:
        if self._lines:
            self._context.note(log="\n".join(self._lines))
        self._lines, self._noted = [], time.monotonic()


def _counted(volume: Volume, placed: Placed) -> tuple[int, int]:
    """Files and bytes, as the manifest has them."""
    manifest = json.loads(volume.read_bytes(manifest_name(placed.digest)))
    return len(manifest["files"]), int(manifest["bytes"])
