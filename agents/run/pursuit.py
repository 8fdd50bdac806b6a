"""The loop: observe, plan, act, verify, recover, record, until the goal holds.

There is no script for errors. A failure is remembered, everything that matters is observed again,
and the next plan is made from that: planning again *is* the recovery.
"""

import os
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from pydantic_core import to_jsonable_python

from agents.command import command
from agents.declare.actions import OBSERVE, Context
from agents.declare.facts import Condition, WorldState
from agents.declare.parameters import headline_of
from agents.errors import ActionFailed, GoapError, Interrupted, StalePlan, Unauthenticated
from agents.ledger.events import Event, new_event, of_kind, steady_clock
from agents.ledger.payloads import (
    Payload,
    Provenance,
    RunFinished,
    RunStalled,
    RunStarted,
    StepFinished,
    StepStarted,
    StepVerified,
)
from agents.ledger.store import Ledger
from agents.money.low import LowMoney
from agents.planning import Status
from agents.run import tell
from agents.run.approval import Approvals
from agents.run.asking import words_of
from agents.run.decide import Deliberation, continued, deliberate
from agents.run.execute import WAIT_SECONDS, Executor, doings
from agents.run.failures import FailureMemory, StepFailure
from agents.run.identity import RunResult, continued_runs, new_run_id, program_version
from agents.run.login_wait import LoginWait
from agents.run.no_plan import why_no_plan
from agents.run.paying import account_of, meter_of, purse_of, read_accounts
from agents.run.question import Question
from agents.run.recall import recall
from agents.run.reporter import Reporter, Silent
from agents.run.steps import Steps
from agents.run.touching import Touching

__all__ = ["Pursuit"]

MAX_PLANS = 50
"""More plans than this in one run means that something oscillates."""


@dataclass
class Pursuit:
    """One run of one goal.

    Attributes:
        question: What is asked; the caller is the only run for it.
        ledger: Where every event goes.
        reporter: Who is told.
        stop: Set to end the run as interrupted.
        provenance: Goes into ``run.started``: the state of the repository.
        backoff: Seconds to wait before the second attempt after a passing failure; doubles.
        poll: Seconds between two looks while waiting.
        patience: Seconds to wait for other runs that touch the same.
    """

    question: Question
    ledger: Ledger
    reporter: Reporter = field(default_factory=Silent)
    stop: threading.Event = field(default_factory=threading.Event)
    provenance: Provenance = field(default_factory=Provenance)
    backoff: float = 2.0
    poll: float = 2.0
    patience: float = WAIT_SECONDS
    clock: Callable[[], datetime] = field(default_factory=steady_clock)
    run_id: str = ""
    _memory: FailureMemory = field(default_factory=FailureMemory)
    _done: list[str] = field(default_factory=list)
    _did_something: bool = False
    _plans: int = 0
    _newest: int = 0
    _seen: int = 0
    _last: Deliberation | None = None
    _verified: list[str] = field(default_factory=list)
    _world: WorldState = field(default_factory=lambda: WorldState({}))

    def __post_init__(self) -> None:
        self.run_id = self.run_id or new_run_id(self.clock)
        question, past = self.question, self.ledger.past
        # of when the run began: a plan is not made from durations of its own steps
        self._estimates = question.estimates(past)
        self._unfinished = question.unfinished(past)
        self._looked = self._context()
        before = continued_runs(past, question.request)
        self._purse = purse_of(question, past, before, self._record, self.clock)
        told = partial(self._record, question.goal.name)
        request = question.request.digest
        self._approvals = Approvals(self.run_id, request, past, told)
        self._approvals.carry_over(before)
        self._low = LowMoney(self._purse, told)
        owner = {"run": self.run_id, "goal": question.goal.name}
        self._touching = Touching(question.state, owner)
        self._login = LoginWait(question.wait, self.poll, self.stop, told)

    def run(self) -> RunResult:
        """Pursue the goal to its end.

        Returns:
            The result, when the goal holds.

        Raises:
            GoapError: It cannot be reached; the error has the exit code. Whatever the end, the
                ledger says how it ended.
        """
        started, request = time.monotonic(), self.question.request
        self._record(
            request.goal,
            RunStarted(
                goal=request.goal,
                given=to_jsonable_python(headline_of(self.question.params)),
                what=dict(request.what),
                how=dict(request.how),
                request=request.digest,
                max_cost=self.question.max_cost,
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
        status = "done" if self._did_something else "nothing to do"
        self._record(self._goal, RunFinished(status=status, exit_code=0))
        seconds = time.monotonic() - started
        return RunResult(self.run_id, self._goal, status, seconds, tuple(self._done), world)

    def _adopt(self) -> None:
        """Write the outcome of steps that were finished after the run that began them was gone."""
        for name in self._unfinished:
            context = self._context()
            outcome = recall(self.question.catalogue.actions[name], context)
            if outcome is None:
                continue
            self._record(name, StepStarted(step=name, action=name, recalled=True))
            self._record(name, StepFinished(step=name, action=name, seconds=0.0, outcome=outcome))
            self._record(name, StepVerified(step=name, action=name))
            took = [each.value for each in outcome.measurements if each.name == "seconds"]
            account = account_of(self.question.catalogue, name, context)
            # what a meter shows is booked when it is read
            if meter_of(self.question.catalogue, name, context) is None:
                self._purse.settle_recalled(name, account, max(took, default=None))
            self._done.append(name)
            self._did_something = True

    def _until_the_goal_holds(self) -> WorldState:
        because = ""
        while True:
            world = self._observe()
            try:
                deliberation = self._plan(world)
            except Unauthenticated as error:
                if not self._waited_for_login(error):
                    raise
                continue
            if not deliberation.result.steps:
                return world
            self._record(self._goal, tell.planned(deliberation, because))
            self._check(deliberation)
            failures = self._act(deliberation)
            because = "; ".join(failure.error.message for failure in failures)
            if failures:
                self._learn(failures)

    def _waited_for_login(self, error: Unauthenticated) -> bool:
        """Wait for what only a person can do; False when the time is up."""
        if not self._login.is_worth_a_try(error, self._world, self._look):
            return False
        self._memory.forget(self._memory.unauthenticated())
        self._plans = 1  # plans made while somebody is waited for do not oscillate
        return True

    def _look(self) -> WorldState:
        self._looked = self._context()
        return self.question.observe(self._looked)

    def _observe(self) -> WorldState:
        self._seen = self._newest
        self._world = self._look()
        self._record(self._goal, tell.observed(self._world, self._looked.raised))
        return self._world

    def _plan(self, world: WorldState) -> Deliberation:
        if self.stop.is_set():
            raise Interrupted("stopped on request", fix="run the same command to continue")
        needs = {name: self._needs_of(name) for name in self._memory.last}
        excluded = self._memory.excluded(world, needs)
        # a step may have learned today's rates
        self._estimates = replace(
            self._estimates, rates=self.question.catalogue.rates(self.question.state)
        )
        self._estimates = read_accounts(self.question, self._looked, self._purse, self._estimates)
        cap, last = self._purse.for_plans, self._last
        kept = last and continued(last, world, self._verified, excluded=excluded, max_cost=cap)
        thought = partial(
            deliberate, self.question, world, excluded=excluded, estimates=self._estimates
        )
        deliberation = kept or thought(max_cost=cap)
        if deliberation.result.status is Status.OVER_BUDGET:
            # what is too dear may be done already, where it takes a free step to see that
            dearer = thought()
            known = any(each.price for each in dearer.needed())
            deliberation = deliberation if known else dearer
        self._last = deliberation
        if not deliberation.result:
            raise why_no_plan(deliberation, self._purse, self._memory)
        self._plans += 1
        if self._plans > MAX_PLANS:
            raise ActionFailed(
                f"stalled: {MAX_PLANS} plans in one run did not reach {self._goal}",
                fix=command(f"show {self.run_id}"),
                name="stalled",
            )
        return deliberation

    def _check(self, deliberation: Deliberation) -> None:
        """Whether the plan is the one that was shown, approved, and within what may be spent."""
        digest, wanted = deliberation.digest, self.question.plan_digest
        if self._plans == 1 and wanted and not digest.startswith(wanted):
            said = self.question.params.model_dump(mode="json", exclude_unset=True)
            raise StalePlan(
                f"the plan is now {digest[:12]}, not {wanted[:12]}: the world, or a value that it "
                "was shown for, is another one",
                fix=command(shlex.join(["plan", *words_of(self._goal, said)])),
            )
        self._purse.cap = self._approvals.check(digest, deliberation.asking, self._purse.cap)
        self._purse.agreed |= self._approvals.whatever_they_cost(deliberation.unpriced)
        self._purse.check(deliberation.needed())

    def _act(self, deliberation: Deliberation) -> list[StepFailure]:
        steps = Steps(
            deliberation,
            self._context,
            self._record,
            self._purse,
            self._memory,
            self.reporter,
            self._world,
            self._touching,
            self._low,
            self._done_by_others,
        )
        executor = Executor(
            plan=deliberation.result,
            actions=doings(self.question.catalogue.actions, deliberation.grounded),
            hooks=steps,
            capacity=self.question.goal.capacity(self.question.params),
            stop=self.stop,
            patience=self.patience,
        )
        try:
            return executor.run()
        finally:
            self._touching.close()
            self._world, self._verified = steps.world, steps.verified
            self._done += steps.verified
            self._did_something = self._did_something or steps.did_something

    def _done_by_others(self) -> set[str]:
        since = self.ledger.events(types=(StepFinished.kind,), after=self._seen)
        return {
            done.action for event, done in of_kind(since, StepFinished) if event.run != self.run_id
        }

    def _learn(self, failures: list[StepFailure]) -> None:
        before, after = self._world, self._look()
        waits = [0]
        for failure in failures:
            name = failure.action
            declared = self.question.catalogue.actions.get(name)
            attempts = declared.attempts if declared is not None else 1
            needs = self._needs_of(name)
            if self._memory.remember(failure, before, after, needs, attempts):
                waits.append(self._memory.attempts(name))
        if max(waits):
            self.stop.wait(self.backoff * 2 ** (max(waits) - 1))

    def _needs_of(self, action: str) -> tuple[Condition, ...]:
        if action.startswith(OBSERVE):
            return self.question.catalogue.sensors[action.removeprefix(OBSERVE)].needs
        return self.question.declared[action].needs

    def _context(self, **of_the_step: Any) -> Context:
        return self.question.context(
            **{"history": lambda: self.ledger.past, "run": self.run_id, **of_the_step}
        )

    @property
    def _goal(self) -> str:
        return self.question.goal.name

    def _record(self, subject: str, payload: Payload) -> Event:
        event = self.ledger.append(
            new_event(payload, run=self.run_id, subject=subject, clock=self.clock)
        )
        self._newest = max(self._newest, event.sequence)
        with suppress(OSError):  # a terminal that went away is no failure of the run
            self.reporter.event(event)
        return event

    def _close(self, error: GoapError) -> None:
        try:
            stalled = bool(self._memory.tried) and not isinstance(error, Unauthenticated)
            if stalled and isinstance(error, ActionFailed):
                self._record(self._goal, RunStalled(tried=self._memory.all_tried()))
            self._record(self._goal, tell.ended(error))
        except GoapError:
            # the ledger itself is what failed (a full disk): the next run closes this one
            error.add_note("the end of this run could not be written to the ledger")
