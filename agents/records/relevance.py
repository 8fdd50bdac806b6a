"""Whether there is anything to record at all; asked before every plan, so it imports nothing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.ledger.events import Event

__all__ = ["RECORDING_ACTIONS", "RECORDING_PARAMETERS", "something_to_record"]

RECORDING_ACTIONS = frozenset({"update_docs"})
"""Actions that write records; what they do is never evidence."""

RECORDING_PARAMETERS = frozenset({"repo", "commit"})
"""Parameters that say where records are written, not what was trained."""


def something_to_record(events: "Iterable[Event]") -> bool:
    """Whether any event holds a training or a decision; cheap enough to ask before planning."""
    for event in events:
        if event.type == "step.finished" and event.data.get("action") not in RECORDING_ACTIONS:
            outcome = event.data.get("outcome") or {}
            if outcome.get("decision") or (outcome.get("provenance") or {}).get("training_key"):
                return True
    return False
