"""The loop: observe, plan, act, verify, recover, record, until the goal holds.

There is no script for errors. A failure is remembered, everything that matters is observed again,
and the next plan is made from that: planning again *is* the recovery.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.actions import OBSERVE, Context, Goal, Grounded
from agents.adopt import recall, unfinished
from agents.approval import USED, find_approval
from agents.catalogue import Catalogue
from agents.deliberate import Deliberation, deliberate
from agents.errors import (
    ActionFailed,
    GoapError,
    Interrupted,
    StalePlan,
    Unauthenticated,
)
from agents.estimates import estimates_from, total
from agents.events import Event, new_event, utc_now
from agents.execute import Doing, Executor
from agents.facts import Condition, WorldState, show_value
from agents.failures import FailureMemory, StepFailure
from agents.ledger import Ledger
from agents.money import Purse, carried_over
from agents.no_plan import why_no_plan
from agents.observe import observe, sees_more
from agents.outcome import Outcome
from agents.planning import Step, rest_of
from agents.planning.facts import apply_effect
from agents.reporter import Reporter, Silent
from agents.runs import RunResult, new_run_id

__all__ = ["Pursuit"]

MAX_PLANS = 50
"""More plans than this in one run means that something oscillates."""

FIRST_RETRY_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 60.0
"""How often a person's log-in is tried while waiting for it, where no sensor shows it."""


@dataclass
class Pursuit:
    """One run of one goal.

    Attributes:
        catalogue: What can be done.
        goal: What should hold.
        params: The goal's parameters.
        state: The state directory; the caller holds its lock.
        ledger: Where every event goes.
        reporter: Who is told.
        stop: Set to end the run as interrupted.
        max_cost: The most dollars a plan may cost.
        plan_digest: When given, the first plan must be this one.
        capacity: Units of each resource; 1 where a resource is not named.
        provenance: Goes into ``run.started``: version, repository.
        backoff: Seconds to wait before the second attempt after a passing failure; doubles.
        wait: Seconds to wait for a person when only a person can go on.
        poll: Seconds between two looks while waiting.
    """

    catalogue: Catalogue
    goal: Goal
    params: BaseModel
    state: Path
    ledger: Ledger
    reporter: Reporter = field(default_factory=Silent)
    stop: threading.Event = field(default_factory=threading.Event)
    max_cost: float | None = None
    plan_digest: str | None = None
    capacity: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    backoff: float = 2.0
    wait: float = 0.0
    poll: float = 2.0
    clock: Callable[[], datetime] = utc_now
    run_id: str = ""
    _memory: FailureMemory = field(default_factory=FailureMemory)
    _done: list[str] = field(default_factory=list)
    _plans: int = 0
    _approved: set[str] = field(default_factory=set)
    _last: Deliberation | None = None
    _verified: set[str] = field(default_factory=set)
    _waiting_until: float | None = None
    _retry_seconds: float = FIRST_RETRY_SECONDS
    _world: WorldState = field(default_factory=lambda: WorldState({}))
    # steps that run at the same time are verified at the same time
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.run_id = self.run_id or new_run_id(self.clock)
        self._ports = self.catalogue.ports(self.params, self.state)
        self._relevant = self.catalogue.relevant(self.goal, self.params)
        events = self.ledger.events()
        # of when the run began: a plan is not made from durations of its own steps
        self._estimates = estimates_from(events, self.catalogue.rates(self.state))
        self._unfinished = unfinished(events, self.goal.name, self._given())
        spent, reserved = carried_over(events, self.goal.name, self._given())
        self._purse = Purse(self.max_cost, self._record, self.clock, spent, reserved)

    def _given(self) -> dict[str, Any]:
        return self.params.model_dump(mode="json")

    def run(self) -> RunResult:
        """Pursue the goal to its end.

        Returns:
            The result, when the goal holds.

        Raises:
            GoapError: It cannot be reached; the error has the exit code. Whatever the end, the
                ledger says how it ended.
        """
        started = time.monotonic()
        self._record(
            "run.started",
            self.goal.name,
            {
                "goal": self.goal.name,
                "params": self._given(),
                "max_cost": self.max_cost,
                "pid": os.getpid(),
                **self.provenance,
            },
        )
        try:
            self._adopt()
            world = self._until_the_goal_holds()
        except GoapError as error:
            self._close(error)
            raise
        status = "done" if self._done else "nothing to do"
        self._record("run.finished", self.goal.name, {"status": status, "exit_code": 0})
        seconds = time.monotonic() - started
        return RunResult(self.run_id, self.goal.name, status, seconds, tuple(self._done), world)

    def _adopt(self) -> None:
        """Write the outcome of steps that were finished after the run that began them was gone."""
        for name in self._unfinished:
            action = self.catalogue.actions.get(name)
            outcome = None if action is None else recall(action, self._context())
            if outcome is None:
                continue
            step = {"step": name, "action": name}
            self._record("step.started", name, {**step, "attempt": 1, "recalled": True})
            data = {"seconds": 0.0, "outcome": outcome.model_dump(mode="json")}
            self._record("step.finished", name, {**step, **data})
            self._record("step.verified", name, {**step, "facts": {}})
            self._done.append(name)

    def _until_the_goal_holds(self) -> WorldState:
        because = ""
        while True:
            world = self._observe()
            try:
                deliberation = self._plan(world)
            except Unauthenticated as error:
                if not self._person_came(error):
                    raise
                continue
            if not deliberation.result.steps:
                return world
            self._record_plan(deliberation, because)
            self._check(deliberation)
            failures = self._act(deliberation)
            because = "; ".join(failure.error.message for failure in failures)
            if failures:
                self._learn(failures)

    def _person_came(self, error: Unauthenticated) -> bool:
        """Wait for what only a person can do; False when the time is up."""
        now = time.monotonic()
        if self._waiting_until is None:
            if not self.wait:
                return False
            self._waiting_until = now + self.wait
            self._retry_seconds = min(FIRST_RETRY_SECONDS, 8 * self.poll)
            data = {"message": error.message, "fix": error.fix, "seconds": self.wait}
            self._record("person.awaited", self.goal.name, data)
        retry = now + self._retry_seconds
        before = _statements(self._world)
        while time.monotonic() < self._waiting_until:
            if self.stop.wait(self.poll):
                raise Interrupted("stopped on request", fix="run the same command to continue")
            world = observe(self.catalogue, self._relevant, self._context())
            if _statements(world) != before or time.monotonic() >= retry:
                self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
                self._memory.forget(self._memory.unauthenticated())
                return True
        return False

    def _observe(self) -> WorldState:
        world = self._world = observe(self.catalogue, self._relevant, self._context())
        readings = {
            fact: {"value": show_value(reading.value), "evidence": reading.evidence}
            for fact, reading in world.readings.items()
        }
        self._record("facts.observed", self.goal.name, {"readings": readings})
        return world

    def _plan(self, world: WorldState) -> Deliberation:
        if self.stop.is_set():
            raise Interrupted("stopped on request", fix="run the same command to continue")
        needs = {name: self._needs_of(name) for name in self._memory.last}
        excluded = self._memory.excluded(world, needs)
        # a step may have learned today's rates
        self._estimates = replace(self._estimates, rates=self.catalogue.rates(self.state))
        deliberation = self._kept(world, excluded) or deliberate(
            self.catalogue,
            self.goal,
            self.params,
            world,
            excluded=excluded,
            max_cost=self._purse.for_plans,
            estimates=self._estimates,
        )
        self._last = deliberation
        if not deliberation.result:
            raise why_no_plan(deliberation, self._purse, self._memory)
        self._plans += 1
        if self._plans > MAX_PLANS:
            raise ActionFailed(
                f"stalled: {MAX_PLANS} plans in one run did not reach {self.goal.name}",
                fix=f"python -m agents show {self.run_id}",
                name="stalled",
            )
        return deliberation

    def _kept(self, world: WorldState, excluded: Collection[str]) -> Deliberation | None:
        """What is left of the last plan, when the world is exactly as that plan foresaw it."""
        last = self._last
        if last is None:
            return None
        foreseen: dict[str, object] = dict(last.world)
        for step in last.result.steps:
            if step.id in self._verified:
                foreseen = apply_effect(foreseen, step.effect)
        if _statements(foreseen) != _statements(world):
            return None
        left = rest_of(last.result, world, self._verified)
        cap = self._purse.for_plans
        if left is None or (cap is not None and left.usd > cap):
            return None
        if {step.action for step in left.steps} & set(excluded):
            return None
        return replace(last, world=world, result=left, excluded=frozenset(excluded))

    def _check(self, deliberation: Deliberation) -> None:
        """Whether the plan is the one that was shown, approved, and within what may be spent."""
        digest = deliberation.result.digest
        first = self._plans == 1
        if first and self.plan_digest and not digest.startswith(self.plan_digest):
            raise StalePlan(
                f"the plan is now {digest[:12]}, not {self.plan_digest[:12]}: the world changed",
                fix=f"python -m agents plan goal={self.goal.name}",
            )
        self._check_approval(deliberation)
        self._purse.check(self._steps(deliberation))

    def _check_approval(self, deliberation: Deliberation) -> None:
        """An approval covers the actions of its plan, for this run, up to its cap."""
        asking = set(self._asking(deliberation))
        if asking <= self._approved:
            return
        events, digest = self.ledger.events(), deliberation.result.digest
        approval = find_approval(events, digest, self.run_id, self.max_cost, asking)
        self._record(USED, self.goal.name, {"approval": approval.id, "actions": sorted(asking)})
        self._approved |= asking
        if self._purse.cap is None:
            self._purse.cap = approval.max_cost

    def _asking(self, deliberation: Deliberation) -> list[str]:
        actions = self.catalogue.actions
        names = [step.action for step in deliberation.result.steps]
        return [name for name in names if name in actions and actions[name].approval]

    @staticmethod
    def _steps(deliberation: Deliberation) -> list[Grounded]:
        return [deliberation.grounded[step.action] for step in deliberation.result.steps]

    def _record_plan(self, deliberation: Deliberation, because: str) -> None:
        result, expected = deliberation.result, total(self._steps(deliberation))
        steps = [
            {"id": step.id, "action": step.action, "after": list(step.after)}
            for step in result.steps
        ]
        self._record(
            "plan.made",
            self.goal.name,
            {
                "digest": result.digest,
                "status": str(result.status),
                "cost": result.cost,
                "seconds": result.seconds,
                "usd": result.usd,
                "seconds_range": list(expected.seconds),
                "usd_range": None if expected.usd is None else list(expected.usd),
                "approval": sorted(set(self._asking(deliberation))),
                "steps": steps,
                "because": because,
                "excluded": sorted(deliberation.excluded),
            },
        )

    def _act(self, deliberation: Deliberation) -> list[StepFailure]:
        known = deliberation.grounded
        self._verified.clear()
        executor = Executor(
            plan=deliberation.result,
            actions=self._doings(deliberation),
            context=self._context_of,
            record=self._record,
            verify=self._verify,
            capacity=self.capacity,
            stop=self.stop,
            attempt=lambda action: self._memory.attempts(action) + 1,
            sees_more=lambda: sees_more(self.catalogue, deliberation.world, self._world),
            before=lambda step, rest: self._purse.reserve(
                step.id, known[step.action], [known[each.action] for each in rest]
            ),
            after=lambda step: self._purse.settle(step.id, known[step.action]),
            about=lambda step: _expected(known[step.action]),
        )
        return executor.run()

    def _doings(self, deliberation: Deliberation) -> dict[str, Doing]:
        doings = {
            name: Doing(action.run, action.resources, action.timeout)
            for name, action in self.catalogue.actions.items()
        }
        # an observation does nothing: verifying it is what looks
        observations = [name for name in deliberation.grounded if name.startswith(OBSERVE)]
        return doings | {name: Doing(_look) for name in observations}

    def _verify(self, step: Step, context: Context) -> list[str]:
        relied_on = {fact for fact, _ in step.why}
        promised = [Condition(*pair) for pair in step.effect if pair[0] in relied_on]
        facts = [each.fact for each in promised]
        world = observe(self.catalogue, facts, context.anew(), known=self._world)
        with self._looking:
            self._world = self._world.updated({fact: world.readings[fact] for fact in facts})
        seen = {
            each.fact: {
                "value": show_value(world[each.fact]),
                "evidence": world.readings[each.fact].evidence,
            }
            for each in promised
        }
        broken = [
            f"{each.fact} is {seen[each.fact]['value']} ({seen[each.fact]['evidence']})"
            for each in promised
            if not world.holds(each)
        ]
        if not broken:
            self._record(
                "step.verified",
                step.id,
                {"step": step.id, "action": step.action, "facts": seen},
            )
            self._done.append(step.id)
            self._verified.add(step.id)
            self._memory.succeeded(step.action)
        return broken

    def _learn(self, failures: list[StepFailure]) -> None:
        before, after = self._world, observe(self.catalogue, self._relevant, self._context())
        waits = [0]
        for failure in failures:
            name = failure.action
            declared = self.catalogue.actions.get(name)
            attempts = declared.attempts if declared is not None else 1
            needs = self._needs_of(name)
            if self._memory.remember(failure, before, after, needs, attempts):
                waits.append(self._memory.attempts(name))
        if max(waits):
            self.stop.wait(self.backoff * 2 ** (max(waits) - 1))

    def _needs_of(self, action: str) -> tuple[Condition, ...]:
        if action.startswith(OBSERVE):
            return self.catalogue.sensors[action.removeprefix(OBSERVE)].needs
        grounded = self.catalogue.grounded(self.params)
        return next(each.needs for each in grounded if each.name == action)

    def _context_of(self, step: Step) -> Context:
        def note(data: dict[str, Any]) -> None:
            self._record("step.noted", step.id, {"step": step.id, "action": step.action, **data})

        return self._context(
            note=note, progress=lambda progress: self.reporter.progress(step.id, progress)
        )

    def _context(self, **callbacks: Any) -> Context:
        return Context(
            params=self.params,
            ports=self._ports,
            state=self.state,
            history=self.ledger.events,
            run=self.run_id,
            **callbacks,
        )

    def _record(self, type_: str, subject: str, data: dict[str, Any]) -> Event:
        event = self.ledger.append(
            new_event(type_, data, run=self.run_id, subject=subject, clock=self.clock)
        )
        self.reporter.event(event)
        return event

    def _close(self, error: GoapError) -> None:
        data = {
            "status": error.code,
            "exit_code": error.exit_code,
            "message": error.message,
            "fix": error.fix,
        }
        try:
            if self._memory.tried and isinstance(error, ActionFailed):
                self._record("run.stalled", self.goal.name, {"tried": self._memory.tried_list()})
            self._record("run.finished", self.goal.name, data)
        except GoapError:
            # the ledger itself is what failed (a full disk): the next run closes this one
            error.add_note("the end of this run could not be written to the ledger")


def _look(_: Context) -> Outcome:
    return Outcome(summary="looked")


def _expected(grounded: Grounded) -> dict[str, Any]:
    """What is expected of a step as it starts, so that the error can be told when it ended."""
    estimate = grounded.estimate
    if estimate is None:
        return {}
    return {
        "expected_seconds": estimate.seconds.expected,
        "declared_seconds": estimate.declared,
        "basis": grounded.basis,
    }


def _statements(world: Mapping[str, object]) -> dict[str, object]:
    """What is true or false or named; numbers change without anybody's doing."""
    return {fact: value for fact, value in world.items() if not isinstance(value, float)}
