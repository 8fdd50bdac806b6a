"""Who is told what a run does while it does it."""

from typing import Protocol

from agents.declare.actions import Progress
from agents.ledger.events import Event

__all__ = ["Reporter", "Silent"]


class Reporter(Protocol):
    """Shows a run to the person watching it."""

    def event(self, event: Event) -> None:
        """An event was appended to the ledger."""

    def progress(self, step: str, progress: Progress) -> None:
        """A running step got further."""


class Silent:
    """A reporter that shows nothing."""

    def event(self, event: Event) -> None:
        """Show nothing."""

    def progress(self, step: str, progress: Progress) -> None:
        """Show nothing."""
