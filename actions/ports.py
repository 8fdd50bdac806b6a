"""What reaches the outside, made once per run from the goal's parameters.

Tests hand the catalogue their own `Ports` with fakes that implement the same protocols.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from agents.command import command
from agents.declare.actions import Context
from agents.declare.project import PER_DAY, PER_MONTH, said_of
from agents.errors import (
    ActionFailed,
    FailureClass,
    Interrupted,
    NotPaid,
    Permanent,
    Transient,
    Unauthenticated,
    UsageError,
    WrongWord,
)
from goals.placed import PlacedParameters, default_volume
from training import errors as training_errors
from training.compute.local import LocalCompute
from training.compute.modal.token import require_token
from training.compute.port import Auth, Compute
from training.compute.spending import Limits
from training.errors import INSTALL, TrainingError
from training.store.earlier import check_directory
from training.store.volume import LocalVolume, Volume

__all__ = ["Ports", "connect", "is_accepted", "limits_of", "ports_of", "translated"]


@dataclass(frozen=True)
class Ports:
    """The compute training runs on, and the volume it writes to.

    Attributes:
        scratch: A directory on this machine where data is prepared before it is uploaded; the
            volume's own directory when it is local.
    """

    compute: Compute
    volume: Volume
    scratch: Path


def connect(params: BaseModel, state: Path) -> Ports:
    """The ports that ``compute=`` and ``volume=`` ask for.

    Raises:
        UsageError: There are no photos where ``dataset=`` says, or the volume is of an earlier
            layout; nothing was done yet.
    """
    if not isinstance(params, PlacedParameters):
        return _local(default_volume("local", state))
    params.find_data()
    volume = params.place(state)
    if params.compute == "modal":
        return _modal(volume, state, "modal", _is_there_already)
    if params.compute == "loopback":
        return _modal(volume, state, "loopback", partial(_rehearse, state))
    return _local(volume, params.track)


def _local(volume: str, track: str | None = None) -> Ports:
    root = Path(volume).absolute()
    try:
        check_directory(root)
    except training_errors.ConfigError as error:
        raise UsageError(error.message, fix=error.fix) from error
    return Ports(LocalCompute(root, track), LocalVolume(root), root)


def _is_there_already() -> None:
    """Modal itself needs nothing before it is used."""


def _rehearse(state: Path) -> None:
    """Start the control plane of this state directory, and point the client at it alone."""
    from training.compute.loopback.client import ensure  # noqa: PLC0415 - only a rehearsal needs it

    os.environ.update(ensure(state / "loopback").environment())


def _modal(name: str, state: Path, where: str, before: Callable[[], None]) -> Ports:
    """Ports to Modal whose client is imported when it is first used, never by planning."""

    @cache
    def volume() -> Volume:
        _one_platform(where)
        before()
        from training.compute.modal.volume import ModalVolume  # noqa: PLC0415 - imports the modal client

        return ModalVolume(name)

    def compute() -> Compute:
        from training.compute.modal.compute import ModalCompute  # noqa: PLC0415 - likewise
        from training.compute.modal.volume import ModalVolume  # noqa: PLC0415

        connected = volume()
        assert isinstance(connected, ModalVolume)  # noqa: S101 - made above
        return ModalCompute(connected, name=where, limits=limits_of(name, where))

    late = _LateCompute(compute) if where == "modal" else _Rehearsal(compute, state)
    return Ports(cast("Compute", late), cast("Volume", _Late(volume)), state / "scratch")


def limits_of(volume: str, where: str, start: Path | None = None) -> Limits:
    """What trainings on a volume may cost, as the nearest pyproject.toml says.

    Args:
        volume: Its name.
        where: The name of the compute.
        start: Where that is looked for first; None: in the working directory.

    Raises:
        UsageError: It makes no sense.
    """
    day, month = (said_of(key, start or Path.cwd()) for key in (PER_DAY, PER_MONTH))
    sources = dict.fromkeys(str(each.path) for each in (day, month) if each is not None)
    return Limits(
        None if day is None else float(day.value),
        None if month is None else float(month.value),
        source=" and ".join(sources),
        bill=command(f"bill compute={where} volume={shlex.quote(volume)}"),
        free=where == "loopback",
    )


class _Late:
    """Stands for an object that is made when something of it is first used."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._made: object | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)


class _LateCompute(_Late):
    """Modal, of which only the presence of a token is known until somebody asks more."""

    name = "modal"

    def auth_seen(self) -> Auth | None:
        require_token()
        seen: Auth | None = None if self._made is None else self.__getattr__("auth_seen")()
        return seen


class _Rehearsal(_Late):
    """The loopback control plane, which makes its own token when it starts.

    Whoever only looks does not start it: where none runs, nothing of it is known, as of Modal
    before it was asked.
    """

    name = "loopback"

    def __init__(self, make: Callable[[], object], state: Path) -> None:
        super().__init__(make)
        self._root = state / "loopback"

    def auth_seen(self) -> Auth | None:
        from training.compute.loopback.client import find  # noqa: PLC0415 - only rehearsals need it

        if self._made is None and find(self._root) is None:
            return None
        return Auth(valid=True, evidence="not needed: loopback has no account", needed=False)


@cache
def _platforms() -> set[str]:
    return set()


def _one_platform(where: str) -> None:
    """The client keeps one connection per process: a rehearsal must never be taken for Modal.

    Raises:
        ConfigError: This process talks to the other one.
    """
    _platforms().add(where)
    if len(_platforms()) > 1:
        raise training_errors.ConfigError(
            "this process uses modal and loopback", fix="use one compute= per process"
        )


def ports_of(context: Context) -> Ports:
    """The ports of a context, with their type."""
    ports = context.ports
    if not isinstance(ports, Ports):
        raise TypeError(f"this catalogue needs Ports, not {type(ports).__name__}")
    return ports


def is_accepted(context: Context) -> bool:
    """Whether the compute is known to accept us; nobody is asked.

    Before that nothing of the volume is read: a plan needs no network, and where a platform does
    not answer, each file that is asked for takes a minute.
    """
    try:
        seen = ports_of(context).compute.auth_seen()
    except training_errors.AuthenticationError:
        return False
    return seen is not None and seen.valid


_WRONG_WORDS = ("no_such_bucket", "no_such_environment", "no_such_secret", "unknown_gpu")


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of `training` into failures the engine can plan from."""
    try:
        yield
    except training_errors.AuthenticationError as error:
        raise Unauthenticated(error.message, fix=error.fix, name=error.code) from error
    except training_errors.Unreachable as error:
        raise Transient(error.message, fix=error.fix, name=error.code) from error
    except training_errors.SpendLimit as error:
        raise NotPaid(error.message, fix=error.fix, name=error.code) from error
    except training_errors.Interrupted as error:
        raise Interrupted(error.message, fix=error.fix) from error
    except ModuleNotFoundError as error:
        raise Permanent(
            f"{error.name} is not installed", fix=INSTALL, name="ModuleNotFoundError"
        ) from error
    except TrainingError as error:
        if error.code in _WRONG_WORDS:
            raise WrongWord(error.message, fix=error.fix, name=error.code) from error
        raise ActionFailed(
            error.message,
            fix=error.fix,
            failure_class=FailureClass(str(error.failure_class)),
            name=error.code,
        ) from error
