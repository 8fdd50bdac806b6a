"""Data that a command makes on Modal: launched once, re-attached to, followed, stopped.

Whatever the container reads is on the volume before its call is made.
"""

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import modal
import modal.exception

from training.compute.modal import carrier
from training.compute.modal.launching import Launcher
from training.compute.modal.orders import Remedies, deploy, hydrated, stage
from training.compute.modal.refusals import modal_errors
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware, Recipe
from training.compute.reservations import Granted
from training.declare.order import making_hardware, recipe_of
from training.declare.preparing import Making
from training.errors import DataError, ImageError, Interrupted, TrainingError
from training.store.directory import TrainingDirectory
from training.store.layout import kept_account_name, making_key, making_name, source_name

__all__ = ["MakingDirectory", "MakingLaunch", "ModalMaker"]

POLL_SECONDS: Final = {"modal": 5.0, "loopback": 0.5}
LOG_LOOKS: Final = 6
"""The log is read at each so many looks: on Modal every half a minute."""

_ENDED: Final = (
    modal.exception.InputCancellation,
    modal.exception.FunctionTimeoutError,
    modal.exception.RemoteError,
    modal.exception.ExecutionError,
    modal.exception.InternalFailure,
)


class MakingDirectory(TrainingDirectory):
    """Everything that one command that makes data has on a volume."""

    @property
    def name(self) -> str:
        """Where everything of this command is."""
        return making_name(self.key)

    @property
    def account_name(self) -> str:
        """What was used of the hardware; it stays when the data is deleted."""
        return kept_account_name(self.key)


@dataclass(frozen=True)
class MakingLaunch:
    """A command that is to be launched.

    Attributes:
        volume: What is mounted.
        environment: The workspace's environment; the default one when None.
        making: The command, with what it is made of.
        remedies: What makes what is not there.
    """

    volume: ModalVolume
    environment: str | None
    making: Making
    remedies: Remedies

    @property
    def directory(self) -> MakingDirectory:
        """The command on its volume."""
        return MakingDirectory(self.volume, making_key(self.making.command.identity))

    @property
    def function(self) -> str:
        """What is called."""
        return f"{carrier.app_name(self._recipe, self.hardware)}/make"

    def is_completed(self) -> bool:
        """Whether it was made already."""
        return self.volume.exists(source_name(self.making.command.identity))

    def prepared(self) -> "modal.Function[Any, Any, Any]":
        """Write what the container reads, deploy, and look the function up.

        Raises:
            ImageError: The image cannot be built.
            ConfigError: A secret is not there.
        """
        self._write()
        try:
            deploy(self._recipe, self.hardware, self.environment)
        except modal.exception.RemoteError as error:
            raise ImageError(
                f"the image of {self.making.training.name} cannot be built: {error}",
                fix="correct requirements=, apt= or python= of the training",
                code="image_incomplete",
            ) from error
        app = carrier.app_name(self._recipe, self.hardware)
        function = modal.Function.from_name(app, "make", environment_name=self.environment)
        said = carrier.options(self.hardware, self.volume.handle)
        name = f"training {self.making.training.name}"
        return hydrated(function.with_options(**said), name, self.remedies)

    def asked(self, _claim: int) -> None:
        """None: it uses no GPU; what it used is counted when it did."""

    def spawned(
        self, function: "modal.Function[Any, Any, Any]", over: list[str], _granted: Granted
    ) -> str:
        """Make the call; its id."""
        per_hour = self.making.usd_per_hour
        key, volume = self.directory.key, self.volume.name
        call = function.spawn(key, over, volume=volume, usd_per_hour=per_hour)
        return str(call.object_id)

    @property
    def _recipe(self) -> Recipe:
        return recipe_of(self.making.training)

    @property
    def hardware(self) -> Hardware:
        """What the training asks for without its GPU."""
        return making_hardware(self.making.training)

    def _write(self) -> None:
        name = self.directory.name
        self.volume.remove(f"{name}/source")
        stage(self.volume, self.making.source, f"{name}/source")
        with tempfile.TemporaryDirectory(prefix="inputs-") as place:
            for each, path in self.making.inputs.items():
                link = Path(place, name, "inputs", each)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)
            if self.making.inputs:
                self.volume.upload(Path(place), f"{name}/inputs")
        self.volume.write_bytes(f"{name}/spec.json", self.making.command.to_json().encode())


@dataclass(frozen=True)
class ModalMaker:
    """Runs commands that make data in containers.

    Attributes:
        launcher: Launches each once.
        volume: What is mounted.
        environment: The workspace's environment; the default one when None.
        name: ``modal``, or ``loopback``.
        remedies: What makes what is not there.
    """

    launcher: Launcher
    volume: ModalVolume
    environment: str | None
    name: str
    remedies: Remedies

    def make_data(
        self, making: Making, log: Callable[[str], None], cancelled: threading.Event
    ) -> None:
        """Run it, or attach to where it runs; what it made is on the volume then, and remembered.

        Raises:
            DataError: It failed.
            Interrupted: `cancelled` was set: it was stopped.
            Unreachable: Nobody answers.
        """
        launch = MakingLaunch(self.volume, self.environment, making, self.remedies)
        tail = _Tail(launch.directory, log)
        launched = self.launcher.launch(launch)
        if launch.is_completed():
            return
        word = "re-attached to" if launched.attached else "launched"
        log(f"{word} {making.command.label} ({launched.call_id})")
        with modal_errors(f"following {making.command.label}"):
            answer = self._followed(launched.call_id, making, tail, cancelled)
        if "failed" in answer:
            raise DataError(answer["failed"], fix=answer["fix"])

    def _followed(
        self, call_id: str, making: Making, tail: "_Tail", cancelled: threading.Event
    ) -> dict[str, Any]:
        call, key = modal.FunctionCall.from_id(call_id), making_key(making.command.identity)
        looks = 0
        while True:
            try:
                answer: dict[str, Any] = call.get(timeout=0)
            except TimeoutError:
                # a container that dies before it can say anything is started again for ever
                if (failure := self.launcher.seen(key, call_id).failure) is not None:
                    raise DataError(failure.message, fix=failure.fix) from None
            except _ENDED as error:
                tail.follow()
                raise _broke_off(making, error) from error
            else:
                tail.follow()
                return answer
            looks += 1
            if looks % LOG_LOOKS == 0:
                tail.follow()
            if cancelled.wait(POLL_SECONDS.get(self.name, 0.5)):
                call.cancel()
                raise Interrupted("preparing the data was stopped", fix="run the goal again")


def _broke_off(making: Making, error: BaseException) -> TrainingError:
    if isinstance(error, modal.exception.InputCancellation):
        return Interrupted(
            f"{making.command.label} was stopped by somebody else", fix="run the goal again"
        )
    return DataError(
        f"{making.command.label} broke off: {type(error).__name__}: {error}",
        fix="look at its log above; timeout= of the training is its time as well",
    )


class _Tail:
    """What is new in the log on the volume."""

    def __init__(self, directory: MakingDirectory, log: Callable[[str], None]) -> None:
        self._directory, self._log = directory, log
        self._at = directory.volume.size(directory.log_name) or 0

    def follow(self) -> None:
        """Tell the lines that are new."""
        with suppress(FileNotFoundError):
            content = self._directory.volume.read_range(self._directory.log_name, self._at)
            whole = content[: content.rfind(b"\n") + 1]
            self._at += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                self._log(line)
