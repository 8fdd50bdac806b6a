"""The loop: observe, plan, act, verify, recover, record, until the goal holds.

There is no script for errors. A failure is remembered, everything that matters is observed again,
and the next plan is made from that: planning again *is* the recovery.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.declare.actions import OBSERVE, Context, Goal, Grounded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Condition, WorldState, show_value
from agents.errors import ActionFailed, GoapError, Interrupted, StalePlan, Unauthenticated
from agents.ledger.events import Event, new_event, steady_clock
from agents.ledger.payloads import (
    Payload,
    Provenance,
    RunFinished,
    RunStalled,
    RunStarted,
    StepFinished,
    StepNoted,
    StepStarted,
    StepVerified,
)
from agents.ledger.store import Ledger
from agents.money.estimates import estimates_from
from agents.money.purse import Purse, carried_over
from agents.planning import Step
from agents.run import tell
from agents.run.approval import Approvals
from agents.run.decide import Deliberation, continued, deliberate
from agents.run.execute import Executor, doings
from agents.run.failures import FailureMemory, StepFailure
from agents.run.identity import RunResult, continued_runs, new_run_id, program_version
from agents.run.login_wait import Person
from agents.run.no_plan import why_no_plan
from agents.run.observe import observe, sees_more
from agents.run.recall import recall, unfinished
from agents.run.reporter import Reporter, Silent

__all__ = ["Pursuit"]

MAX_PLANS = 50
"""More plans than this in one run means that something oscillates."""


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
        provenance: Goes into ``run.started``: the state of the repository.
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
    provenance: Provenance = field(default_factory=Provenance)
    backoff: float = 2.0
    wait: float = 0.0
    poll: float = 2.0
    clock: Callable[[], datetime] = field(default_factory=steady_clock)
    run_id: str = ""
    _memory: FailureMemory = field(default_factory=FailureMemory)
    _done: list[str] = field(default_factory=list)
    _plans: int = 0
    _last: Deliberation | None = None
    _verified: set[str] = field(default_factory=set)
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
        before = continued_runs(events, self.goal.name, self._given())
        spent, reserved = carried_over(before)
        self._purse = Purse(self.max_cost, self._record, self.clock, spent, reserved)
        told = partial(self._record, self.goal.name)
        self._approvals = Approvals(self.run_id, self.ledger.events, told)
        self._approvals.carry_over(before)
        self._person = Person(self.wait, self.poll, self.stop, told)

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
            self.goal.name,
            RunStarted(
                goal=self.goal.name,
                what=self._given(),
                max_cost=self.max_cost,
                pid=os.getpid(),
                version=program_version(),
                provenance=self.provenance,
            ),
        )
        try:
            self._adopt()
            world = self._until_the_goal_holds()
        except GoapError as error:
            self._close(error)
            raise
        status = "done" if self._done else "nothing to do"
        self._record(self.goal.name, RunFinished(status=status, exit_code=0))
        seconds = time.monotonic() - started
        return RunResult(self.run_id, self.goal.name, status, seconds, tuple(self._done), world)

    def _adopt(self) -> None:
        """Write the outcome of steps that were finished after the run that began them was gone."""
        for name in self._unfinished:
            action = self.catalogue.actions.get(name)
            outcome = None if action is None else recall(action, self._context())
            if outcome is None:
                continue
            self._record(name, StepStarted(step=name, action=name, recalled=True))
            self._record(name, StepFinished(step=name, action=name, seconds=0.0, outcome=outcome))
            self._record(name, StepVerified(step=name, action=name))
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
            made = tell.planned(deliberation, self._asking(deliberation), because)
            self._record(self.goal.name, made)
            self._check(deliberation)
            failures = self._act(deliberation)
            because = "; ".join(failure.error.message for failure in failures)
            if failures:
                self._learn(failures)

    def _person_came(self, error: Unauthenticated) -> bool:
        """Wait for what only a person can do; False when the time is up."""
        if not self._person.came(error, self._world, self._look):
            return False
        self._memory.forget(self._memory.unauthenticated())
        self._plans = 1  # plans made while somebody is waited for do not oscillate
        return True

    def _look(self) -> WorldState:
        return observe(self.catalogue, self._relevant, self._context())

    def _observe(self) -> WorldState:
        self._world = self._look()
        self._record(self.goal.name, tell.observed(self._world))
        return self._world

    def _plan(self, world: WorldState) -> Deliberation:
        if self.stop.is_set():
            raise Interrupted("stopped on request", fix="run the same command to continue")
        needs = {name: self._needs_of(name) for name in self._memory.last}
        excluded = self._memory.excluded(world, needs)
        # a step may have learned today's rates
        self._estimates = replace(self._estimates, rates=self.catalogue.rates(self.state))
        cap, last = self._purse.for_plans, self._last
        kept = last and continued(last, world, self._verified, excluded=excluded, max_cost=cap)
        deliberation = kept or deliberate(
            self.catalogue,
            self.goal,
            self.params,
            world,
            excluded=excluded,
            max_cost=cap,
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

    def _check(self, deliberation: Deliberation) -> None:
        """Whether the plan is the one that was shown, approved, and within what may be spent."""
        digest = deliberation.result.digest
        first = self._plans == 1
        if first and self.plan_digest and not digest.startswith(self.plan_digest):
            raise StalePlan(
                f"the plan is now {digest[:12]}, not {self.plan_digest[:12]}: the world changed",
                fix=f"python -m agents plan goal={self.goal.name}",
            )
        self._purse.cap = self._approvals.check(digest, self._asking(deliberation), self._purse.cap)
        self._purse.check(deliberation.actions())

    def _asking(self, deliberation: Deliberation) -> list[str]:
        actions = self.catalogue.actions
        names = [step.action for step in deliberation.result.steps]
        return [name for name in names if name in actions and actions[name].approval]

    def _act(self, deliberation: Deliberation) -> list[StepFailure]:
        known = deliberation.grounded
        self._verified.clear()
        executor = Executor(
            plan=deliberation.result,
            actions=doings(self.catalogue.actions, known),
            context=lambda step: self._context_of(step, known[step.action]),
            record=self._record,
            verify=self._verify,
            capacity=self.capacity,
            stop=self.stop,
            sees_more=lambda: sees_more(self.catalogue, deliberation.world, self._world),
            before=lambda step, rest: self._purse.reserve(
                step.id, known[step.action], [known[each.action] for each in rest]
            ),
            after=lambda step: self._purse.settle(step.id, known[step.action]),
            covered=lambda step, rest: self._purse.cover(
                step.id, known[step.action], [known[each.action] for each in rest]
            ),
            begun=lambda step: tell.started(
                step, known[step.action], self._memory.attempts(step.action) + 1
            ),
        )
        return executor.run()

    def _verify(self, step: Step, context: Context) -> list[str]:
        relied_on = {fact for fact, _ in step.why}
        promised = [Condition(*pair) for pair in step.effect if pair[0] in relied_on]
        facts = [each.fact for each in promised]
        world = observe(self.catalogue, facts, context.anew(), known=self._world)
        with self._looking:
            self._world = self._world.updated({fact: world.readings[fact] for fact in facts})
        broken = [
            f"{each.fact} is {show_value(world[each.fact])} ({world.readings[each.fact].evidence})"
            for each in promised
            if not world.holds(each)
        ]
        if not broken:
            seen = {fact: tell.seen(world.readings[fact]) for fact in facts}
            self._record(step.id, StepVerified(step=step.id, action=step.action, facts=seen))
            self._done.append(step.id)
            self._verified.add(step.id)
            self._memory.succeeded(step.action)
        return broken

    def _learn(self, failures: list[StepFailure]) -> None:
        before, after = self._world, self._look()
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

    def _context_of(self, step: Step, grounded: Grounded) -> Context:
        def note(text: str = "", *, log: str = "", about: Mapping[str, Any] | None = None) -> None:
            noted = StepNoted(
                step=step.id, action=step.action, text=text, log=log, about=dict(about or {})
            )
            self._record(step.id, noted)

        return self._context(
            note=note,
            progress=lambda progress: self.reporter.progress(step.id, progress),
            paid_seconds=self._purse.paid_seconds(grounded),
        )

    def _context(self, **of_the_step: Any) -> Context:
        return Context(
            params=self.params,
            ports=self._ports,
            state=self.state,
            history=self.ledger.events,
            run=self.run_id,
            **of_the_step,
        )

    def _record(self, subject: str, payload: Payload) -> Event:
        event = self.ledger.append(
            new_event(payload, run=self.run_id, subject=subject, clock=self.clock)
        )
        with suppress(OSError):  # a terminal that went away is no failure of the run
            self.reporter.event(event)
        return event

    def _close(self, error: GoapError) -> None:
        try:
            stalled = bool(self._memory.tried) and not isinstance(error, Unauthenticated)
            if stalled and isinstance(error, ActionFailed):
                self._record(self.goal.name, RunStalled(tried=self._memory.all_tried()))
            self._record(self.goal.name, tell.ended(error))
        except GoapError:
            # the ledger itself is what failed (a full disk): the next run closes this one
            error.add_note("the end of this run could not be written to the ledger")
