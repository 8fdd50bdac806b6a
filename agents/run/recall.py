"""Steps whose work was finished while nobody looked: what they measured is not lost.

A step can have its effect although the run that started it was killed, or let go of it, before its
outcome was written. The fact is true then, so nothing would be planned, and no record would ever
tell what was measured. An action that can say its outcome afterwards declares ``recall``.
"""

from agents.declare.actions import Action, Context
from agents.declare.outcome import Outcome
from agents.ledger.past import Past
from agents.ledger.projections.steps import begun
from agents.run.identity import Request

__all__ = ["recall", "unfinished"]


def unfinished(past: Past, request: Request) -> list[str]:
    """Actions that runs for this goal and *what* began, and of which no outcome is known.

    Call it when no such run is going on.
    """
    return begun(past.ledger, request.what_digest)


def recall(action: Action, context: Context) -> Outcome | None:
    """The outcome of an action that was done, without doing it; None when it was not."""
    if action.recall is None:
        return None
    try:
        return action.recall(context)
    except Exception:  # noqa: BLE001 - what cannot be seen now is asked for again by the next run
        return None
