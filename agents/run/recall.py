"""Steps whose work was finished while nobody looked: what they measured is not lost.

A step can have its effect although the run that started it was killed, or let go of it, before its
outcome was written. The fact is true then, so nothing would be planned, and no record would ever
tell what was measured. An action that can say its outcome afterwards declares ``recall``.
"""

from collections.abc import Iterable

from agents.declare.actions import Action, Context
from agents.declare.outcome import Outcome
from agents.errors import FailureClass
from agents.ledger.events import Event
from agents.ledger.payloads import RunStarted, StepFailed, StepFinished, StepStarted
from agents.run.identity import Request

__all__ = ["recall", "unfinished"]

_LET_GO = (str(FailureClass.INTERRUPTED), str(FailureClass.TRANSIENT))


def unfinished(events: Iterable[Event], request: Request) -> list[str]:
    """Actions that runs for this goal and *what* began, and of which no outcome is known.

    Call it when no such run is going on.
    """
    runs: set[str] = set()
    begun: dict[str, None] = {}
    for event in events:
        if event.type != RunStarted.kind and event.run not in runs:
            continue
        match event.payload:
            case RunStarted() as began if request.is_continued_from(began):
                runs.add(event.run)
            case StepStarted(action=name):
                begun[name] = None
            case StepFinished(action=name):
                begun.pop(name, None)
            case StepFailed(action=name, failure_class=failure_class):
                if failure_class not in _LET_GO:
                    begun.pop(name, None)
    return list(begun)


def recall(action: Action, context: Context) -> Outcome | None:
    """The outcome of an action that was done, without doing it; None when it was not."""
    if action.recall is None:
        return None
    try:
        return action.recall(context)
    except Exception:  # noqa: BLE001 - what cannot be seen now is asked for again by the next run
        return None
