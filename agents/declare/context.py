"""What a sensor or an action is given when it is called."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol

from pydantic import BaseModel
from typing_extensions import TypeVar

from agents.declare.amounts import Meter
from agents.declare.work import Work
from agents.errors import GoapError
from agents.ledger.events import Event

__all__ = ["Context", "Note", "P", "Progress"]

P = TypeVar("P", bound=BaseModel, default=Any)
"""The parameters that a declaration is for."""

# a context of special parameters is one of general ones: nothing writes to it
P_co = TypeVar("P_co", bound=BaseModel, default=Any, covariant=True)


class Progress(NamedTuple):
    """How far a running step is: ``done`` of ``total`` units, with what else is known."""

    done: int
    total: int
    text: str = ""
    eta_seconds: float | None = None
    unit: str = "step"


def _ignore(*_: object) -> None: ...


class Note(Protocol):
    """Tells what a step does while it does it."""

    def __call__(
        self,
        text: str = "",
        *,
        log: str = "",
        about: Mapping[str, Any] | None = None,
        work: Work | None = None,
    ) -> None:
        """Append an event ``step.noted`` to the ledger.

        Args:
            text: For the person watching.
            log: What the step printed.
            about: What the action itself wants remembered, as JSON values.
            work: What goes on now where the step waits for it.
        """


def _note_nothing(
    text: str = "",
    *,
    log: str = "",
    about: Mapping[str, Any] | None = None,
    work: Work | None = None,
) -> None: ...


@dataclass(frozen=True)
class Context(Generic[P_co]):
    """What a sensor or an action is given.

    Attributes:
        params: The goal's typed parameters.
        ports: What reaches the outside, made by the composition root from the parameters.
        state: The state directory.
        history: Events of the ledger, oldest first; read as far as they are looked at.
        run: The run id; empty while only planning.
        note: Tells the ledger what the step does.
        progress: Tell the person watching how far the step is.
        cancelled: Set when the step should stop soon, leaving the world consistent.
        broke: Set before ``cancelled`` when the money is used up: what costs money ends too.
        paid_seconds: How long the money lasts for what goes on without us; None: no limit.
        likely_seconds: How long the step is expected to take at most; None: not known.
        asking: Whether what is true now was asked for: sensors may then ask who otherwise is only
            asked by a run, within their time. A plan asks nobody.
        refused: What kept sensors from looking while `asking`: nobody answers, or not to us.
        raised: By fact, where the exception came from that its sensor raised.
        used: Tell what the meter of the step's account shows, whenever that was read.
    """

    params: P_co
    ports: Any
    state: Path
    history: Callable[[], Sequence[Event]] = list
    run: str = ""
    note: Note = _note_nothing
    progress: Callable[[Progress], None] = _ignore
    cancelled: threading.Event = field(default_factory=threading.Event)
    broke: threading.Event = field(default_factory=threading.Event)
    paid_seconds: float | None = None
    likely_seconds: float | None = None
    asking: bool = False
    refused: list[GoapError] = field(default_factory=list, compare=False, repr=False)
    raised: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    used: Callable[[Meter], None] = _ignore
    _seen: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _seeing: threading.RLock = field(default_factory=threading.RLock, compare=False, repr=False)

    def anew(self) -> "Context[P_co]":
        """The same context with nothing seen yet."""
        return replace(self, _seen={}, _seeing=threading.RLock())

    def once(self, name: str, look: Callable[[], Any]) -> Any:
        """What ``look`` returns, asked once for all sensors that share this context.

        Sensors of one observation run side by side and often need the same thing first.
        """
        with self._seeing:
            if name not in self._seen:
                self._seen[name] = look()
            return self._seen[name]
