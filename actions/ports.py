"""What reaches the outside, made once per run from the goal's parameters.

Tests hand the catalogue their own `Ports` with fakes that implement the same protocols.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.actions import Context
from agents.errors import ActionFailed, FailureClass, Interrupted, Transient, Unauthenticated
from training import errors as training_errors
from training.compute import Compute, LocalCompute
from training.errors import TrainingError
from training.volume import LocalVolume, Volume

__all__ = ["Ports", "connect", "ports_of", "translated"]


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


def connect(params: Any, state: Path) -> Ports:
    """The ports that ``compute=`` and ``volume=`` ask for."""
    kind = getattr(params, "compute", "local")
    named = getattr(params, "volume", None)
    if kind == "modal":
        # late, because it imports the modal client
        from training.modal_compute import ModalCompute  # noqa: PLC0415
        from training.modal_volume import ModalVolume  # noqa: PLC0415

        volume = ModalVolume(named or "goap-training")
        return Ports(ModalCompute(volume), volume, state / "scratch")
    root = (Path(named) if named else state / "volume").absolute()
    return Ports(LocalCompute(root), LocalVolume(root), root)


def ports_of(context: Context) -> Ports:
    """The ports of a context, with their type."""
    ports = context.ports
    if not isinstance(ports, Ports):
        raise TypeError(f"this catalogue needs Ports, not {type(ports).__name__}")
    return ports


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of `training` into failures the engine can plan from."""
    try:
        yield
    except training_errors.AuthenticationError as error:
        raise Unauthenticated(error.message, fix=error.fix, name=error.code) from error
    except training_errors.Unreachable as error:
        raise Transient(error.message, fix=error.fix, name=error.code) from error
    except training_errors.Interrupted as error:
        raise Interrupted(error.message, fix=error.fix) from error
    except TrainingError as error:
        raise ActionFailed(
            error.message,
            fix=error.fix,
            failure_class=FailureClass(str(error.failure_class)),
            name=error.code,
        ) from error
