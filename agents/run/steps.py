"""What a run does around the steps of one plan: contexts, events, money, verification."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.declare.actions import OBSERVE, Context, Grounded, Meter, Progress
from agents.declare.facts import Condition, WorldState, show_value
from agents.declare.work import Work
from agents.ledger.payloads import Payload, StepNoted, StepStarted, StepVerified
from agents.money.low import LowMoney
from agents.money.purse import Purse
from agents.planning import Step
from agents.run import tell
from agents.run.decide import Deliberation
from agents.run.failures import FailureMemory
from agents.run.observe import observe, sees_more
from agents.run.paying import account_of, meter_of
from agents.run.reporter import Reporter
from agents.run.touching import Taken, Touching

__all__ = ["Steps"]


@dataclass
class Steps:
    """The hooks of the steps of one plan, and what was seen and verified while they ran.

    Attributes:
        deliberation: The plan.
        looking: Makes a context from what a step adds.
        record: Appends an event: (subject, payload).
        purse: Pays.
        memory: Forgets that an action failed when it succeeds.
        reporter: Is told how far a step is.
        world: What was seen last.
        touching: Holds what steps touch.
        low: Says that most of the money is used.
        done_by_others: The actions that other runs finished since this one looked.
        verified: The ids of the steps that were done.
        did_something: Whether one of them did more than look.
    """

    deliberation: Deliberation
    looking: Callable[..., Context]
    record: Callable[[str, Payload], object]
    purse: Purse
    memory: FailureMemory
    reporter: Reporter
    world: WorldState
    touching: Touching
    low: LowMoney
    done_by_others: Callable[[], set[str]]
    verified: list[str] = field(default_factory=list)
    did_something: bool = False
    # steps that run at the same time are verified at the same time
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def context(self, step: Step) -> Context:
        """The context of a step, which tells of itself and knows how long its money lasts."""
        grounded = self._grounded(step)
        return self.looking(
            note=_Notes(step, self.record),
            progress=_Told(step, self.reporter),
            paid_seconds=self.purse.paid_seconds(grounded),
            likely_seconds=grounded.estimate and grounded.estimate.seconds.high,
            used=_Used(step, self.purse),
        )

    def begun(self, step: Step) -> StepStarted:
        """What is expected of a step, and which attempt it is."""
        attempt = self.memory.attempts(step.action) + 1
        return tell.started(step, self._grounded(step), attempt)

    def take(self, step: Step) -> Taken:
        """Hold what the action of the step declares to touch."""
        return self.touching.take(step.id, self._touched(step))

    def give(self, step: Step) -> None:
        """Give back what the step held."""
        self.touching.give(step.id)

    def in_the_way(self, step: Step) -> str:
        """Who holds what the step touches."""
        return self.touching.in_the_way(self._touched(step))

    def is_done_by_others(self, step: Step) -> bool:
        """Whether another run finished the same action since this one looked at the world."""
        return step.action in self.done_by_others()

    def reserve(self, step: Step, rest: list[Step]) -> None:
        """Set aside what the step may cost, on the account that its action names."""
        grounded = self._grounded(step)
        account = "" if grounded.price == 0 else self._account(step)
        meter = self._meter(step) if account else None
        if meter is not None:
            rate = None if grounded.estimate is None else grounded.estimate.per_second
            self.purse.reads(step.action, account, meter, rate)
        self.purse.reserve(step.id, grounded, account, map(self._grounded, rest))

    def cover(self, step: Step, rest: list[Step]) -> None:
        """Pay on for a step that runs."""
        self.low.look()
        self.purse.cover(step.id, self._grounded(step), map(self._grounded, rest))

    def settle(self, step: Step) -> None:
        """Book what a step cost, by the meter of its account where it has one."""
        grounded = self._grounded(step)
        meter = None if grounded.price == 0 else self._meter(step)
        self.purse.settle(step.id, grounded, meter)
        self.low.look()

    def verify(self, step: Step, context: Context) -> list[str]:
        """Observe what the step promised and somebody relies on."""
        relied_on = {fact for fact, _ in step.why}
        promised = [Condition(*pair) for pair in step.effect if pair[0] in relied_on]
        facts = [each.fact for each in promised]
        catalogue = self.deliberation.question.catalogue
        world = observe(catalogue, facts, context.anew(), kept=self.world)
        with self._looking:
            self.world = self.world.updated({fact: world.readings[fact] for fact in facts})
        broken = [
            f"{each.fact} is {show_value(world[each.fact])} ({world.readings[each.fact].evidence})"
            for each in promised
            if not world.holds(each)
        ]
        if not broken:
            seen = {fact: tell.seen(world.readings[fact]) for fact in facts}
            self.record(step.id, StepVerified(step=step.id, action=step.action, facts=seen))
            self.verified.append(step.id)
            self.did_something = self.did_something or not self._only_looks(step)
            self.memory.succeeded(step.action)
        return broken

    def sees_more(self) -> bool:
        """Whether the plan could be made from more knowledge now."""
        catalogue = self.deliberation.question.catalogue
        return sees_more(catalogue, self.deliberation.world, self.world)

    def _only_looks(self, step: Step) -> bool:
        action = self.deliberation.question.catalogue.actions.get(step.action)
        return action is None or action.only_looks

    def _grounded(self, step: Step) -> Grounded:
        return self.deliberation.grounded[step.action]

    def _touched(self, step: Step) -> Iterable[str] | None:
        if step.action.startswith(OBSERVE):
            return ()
        touches = self.deliberation.question.catalogue.actions[step.action].touches
        return None if touches is None else touches(self.looking())

    def _account(self, step: Step) -> str:
        return account_of(self.deliberation.question.catalogue, step.action, self.looking())

    def _meter(self, step: Step) -> Meter | None:
        return meter_of(self.deliberation.question.catalogue, step.action, self.looking())


@dataclass(frozen=True)
class _Notes:
    """Appends what a step tells."""

    step: Step
    record: Callable[[str, Payload], object]

    def __call__(
        self,
        text: str = "",
        *,
        log: str = "",
        about: Mapping[str, Any] | None = None,
        work: Work | None = None,
    ) -> None:
        said = {"text": text, "log": log, "about": dict(about or {}), "work": work}
        noted = StepNoted(step=self.step.id, action=self.step.action, **said)
        self.record(self.step.id, noted)


@dataclass(frozen=True)
class _Told:
    """Tells a reporter how far a step is."""

    step: Step
    reporter: Reporter

    def __call__(self, progress: Progress) -> None:
        self.reporter.progress(self.step.id, progress)


@dataclass(frozen=True)
class _Used:
    """Tells a purse what the meter of a step shows."""

    step: Step
    purse: Purse

    def __call__(self, meter: Meter) -> None:
        self.purse.tells(self.step.action, meter)
