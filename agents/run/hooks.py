"""What a run does around its steps."""

from typing import Protocol

from agents.declare.actions import Context
from agents.ledger.payloads import Payload, StepStarted
from agents.planning import Step
from agents.run.touching import Taken

__all__ = ["Hooks"]


class Hooks(Protocol):
    """What a run does around its steps; methods of steps that run together are called together."""

    def record(self, subject: str, payload: Payload) -> object:
        """Append an event."""

    def context(self, step: Step) -> Context:
        """What the step is given."""

    def begun(self, step: Step) -> StepStarted:
        """What the ledger should say about a step that starts."""

    def take(self, step: Step) -> Taken:
        """Hold what the step touches, before it starts."""

    def give(self, step: Step) -> None:
        """Give back what a step held that ended, or did not start."""

    def in_the_way(self, step: Step) -> str:
        """Who holds what the step touches, in words."""

    def is_done_by_others(self, step: Step) -> bool:
        """Whether another run did the same since the plan was made."""

    def reserve(self, step: Step, rest: list[Step]) -> None:
        """Set aside what the step may cost, before it starts.

        Args:
            step: The step.
            rest: The steps that are still to do, this one included.

        Raises:
            NotApproved: It may not start.
        """

    def cover(self, step: Step, rest: list[Step]) -> None:
        """Pay on for a step that runs; called again and again.

        Args:
            step: The step.
            rest: The steps that did not start yet.

        Raises:
            NotApproved: It has to stop.
        """

    def settle(self, step: Step) -> None:
        """Book what a step cost that ended, however it did."""

    def verify(self, step: Step, context: Context) -> list[str]:
        """Observe what a step promised: the promises that do not hold; empty when all do."""

    def sees_more(self) -> bool:
        """Whether facts that were unknown when the plan was made can be seen by now.

        Nothing new is started then, so that the plan can be made anew from more knowledge.
        """
