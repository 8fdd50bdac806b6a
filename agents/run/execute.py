"""Executing a plan: every step whose predecessors are verified runs, several at a time."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from agents.command import command
from agents.declare.actions import OBSERVE, Action, Context
from agents.declare.outcome import Outcome
from agents.errors import (
    ActionFailed,
    FailureClass,
    Interrupted,
    Locked,
    NotApproved,
    Permanent,
    Transient,
)
from agents.ledger.failpoints import failpoint
from agents.ledger.payloads import StepFinished, StepNoted
from agents.planning import PlanResult, Step
from agents.run.failures import StepFailure, classify
from agents.run.hooks import Hooks
from agents.run.tell import failed
from agents.run.touching import Taken

__all__ = ["WAIT_SECONDS", "Doing", "Executor", "doings"]

POLL_SECONDS = 0.1
"""How quickly a request to stop is seen."""

STOP_SECONDS = 15.0
"""How long running steps get to stop before the run ends without them."""


WAIT_SECONDS = 30.0
"""How long a run waits for what another one touches, when there is nothing else to do."""


@dataclass(frozen=True)
class Doing:
    """How a step is done, and what it occupies meanwhile."""

    run: Callable[[Context], Outcome]
    resources: Mapping[str, int] = field(default_factory=dict)
    timeout: float | None = None


def doings(actions: Mapping[str, Action], planned: Iterable[str]) -> dict[str, Doing]:
    """How each action is done, and each observation among the names that can be planned."""
    ways = {
        name: Doing(action.run, action.resources, action.timeout)
        for name, action in actions.items()
    }
    return ways | {name: Doing(_looked) for name in planned if name.startswith(OBSERVE)}


def _looked(_: Context) -> Outcome:
    """An observation does nothing: verifying it is what looks."""
    return Outcome(summary="looked")


@dataclass
class _Running:
    step: Step
    context: Context
    started: float
    deadline: float | None
    timed_out: bool = False
    refused: NotApproved | None = None


@dataclass
class Executor:
    """Runs the steps of one plan; used once.

    Attributes:
        plan: The partial order to follow.
        actions: How to do each step.
        hooks: What the run does around each step.
        capacity: Units of each resource; 1 where a resource is not named.
        stop: Set by a signal; the run then ends as interrupted.
        patience: Seconds to wait for other runs, when there is nothing else to do.
    """

    plan: PlanResult
    actions: Mapping[str, Doing]
    hooks: Hooks
    capacity: Mapping[str, int]
    stop: threading.Event
    patience: float = WAIT_SECONDS
    _paused: bool = False
    _blocked: "tuple[Step, float] | None" = None
    _refused: NotApproved | None = None
    _done: set[str] = field(default_factory=set)
    _failed: list[StepFailure] = field(default_factory=list)
    _running: dict[str, _Running] = field(default_factory=dict)
    _ended: "queue.SimpleQueue[tuple[Step, StepFailure | None]]" = field(
        default_factory=queue.SimpleQueue
    )

    def run(self) -> list[StepFailure]:
        """Run until everything is verified, a step fails, or more can be seen; return the failures.

        After a failure no new step starts, and those running are waited for. A plan that is made
        while a step runs could neither count on its effect nor leave it out: it would do it twice
        or wait for it, and what runs beside the long step of a plan is short.

        Raises:
            Interrupted: ``stop`` was set.
            NotApproved: A step was refused; those that ran have ended.
        """
        while True:
            if self.stop.is_set():
                self._stop_running()
            if not self._failed and not self._paused and self._refused is None:
                self._start_ready()
            if not self._running:
                if self._refused is not None and not self._failed:
                    raise self._refused
                if self._blocked is None or self._failed or self._paused:
                    return self._failed
                self._wait_for_others(*self._blocked)
                continue
            try:
                step, failure = self._ended.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._cancel_overdue()
                self._cancel_unpaid()
                continue
            self._finish(step, failure)

    def _start_ready(self) -> None:
        for step in self.plan.steps:
            if not self._to_do(step):
                continue
            if (
                set(step.after) <= self._done
                and self._fits(self.actions[step.action])
                and self._is_ours(step)
            ):
                try:
                    self.hooks.reserve(step, self._to_start())
                except NotApproved as error:
                    self.hooks.give(step)
                    self._refused = error
                    return
                self._start(step)

    def _is_ours(self, step: Step) -> bool:
        """Hold what a step touches; what another run did meanwhile is planned with first."""
        if self._paused:
            return False
        taken = self.hooks.take(step)
        if taken is Taken.THEIRS and self._blocked is None:
            self._blocked = (step, time.monotonic() + self.patience)
            self._note(step, f"{step.id} waits for {self.hooks.in_the_way(step)}")
        if taken is not Taken.YES:
            return False
        waited = self._blocked is not None and self._blocked[0].id == step.id
        if waited or self.hooks.is_done_by_others(step):
            self.hooks.give(step)
            self._note(step, f"{step.id} was done by another run, maybe: looking again")
            self._paused = True
        return not self._paused

    def _note(self, step: Step, text: str) -> None:
        self.hooks.record(step.id, StepNoted(step=step.id, action=step.action, text=text))

    def _wait_for_others(self, step: Step, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise Locked(
                f"{step.id} touches what {self.hooks.in_the_way(step)} holds",
                fix=f"the same command again when that has ended: {command('runs')}",
            )
        self.stop.wait(POLL_SECONDS)

    def _to_start(self) -> list[Step]:
        return [step for step in self.plan.steps if self._to_do(step)]

    def _to_do(self, step: Step) -> bool:
        return step.id not in self._done and step.id not in self._running

    def _fits(self, action: Doing) -> bool:
        used: dict[str, int] = {}
        for id_ in self._running:
            name = next(step.action for step in self.plan.steps if step.id == id_)
            for resource, units in self.actions[name].resources.items():
                used[resource] = used.get(resource, 0) + units
        return all(
            # a step that asks for more than there is runs alone rather than never
            used.get(resource, 0) + units <= self.capacity.get(resource, 1) or not used
            for resource, units in action.resources.items()
        )

    def _start(self, step: Step) -> None:
        context, timeout = self.hooks.context(step), self.actions[step.action].timeout
        now = time.monotonic()
        self._running[step.id] = _Running(step, context, now, now + timeout if timeout else None)
        self.hooks.record(step.id, self.hooks.begun(step))
        threading.Thread(
            target=self._work, args=(step, context), name=f"step {step.id}", daemon=True
        ).start()

    def _work(self, step: Step, context: Context) -> None:
        failure = None
        try:
            self._run_and_verify(step, context)
        except Interrupted as error:
            interrupted = ActionFailed(
                error.message,
                fix=error.fix,
                failure_class=FailureClass.INTERRUPTED,
                name="interrupted",
            )
            failure = StepFailure(step.id, step.action, interrupted)
        except Exception as error:  # noqa: BLE001 - every failure becomes a fact to plan from
            failure = StepFailure(step.id, step.action, classify(error))
        self._ended.put((step, failure))

    def _run_and_verify(self, step: Step, context: Context) -> None:
        started = time.monotonic()
        failpoint("step.before")
        outcome = self.actions[step.action].run(context)
        failpoint("step.after")
        seconds = round(time.monotonic() - started, 3)
        self.hooks.record(
            step.id,
            StepFinished(step=step.id, action=step.action, seconds=seconds, outcome=outcome),
        )
        _judge(step, outcome)
        broken = self.hooks.verify(step, context)
        if broken:
            raise Permanent(
                f"{step.action} ended, but observing again shows: {'; '.join(broken)}",
                fix=command("status shows what is true now"),
                name="effect_not_seen",
            )

    def _finish(self, step: Step, failure: StepFailure | None) -> None:
        running = self._running.pop(step.id)
        self.hooks.settle(step)
        self.hooks.give(step)
        if failure is None:
            self._done.add(step.id)
            self._paused = self._paused or self.hooks.sees_more()
            return
        if running.refused is not None:
            self._refused = running.refused
            failure = StepFailure(step.id, step.action, _unpaid(step, failure))
            self.hooks.record(step.id, failed(failure))
            return
        if running.timed_out:
            timeout = self.actions[step.action].timeout
            late = Transient(f"{step.action} was cancelled after {timeout:g} s", name="timeout")
            failure = StepFailure(step.id, step.action, late)
        self.hooks.record(step.id, failed(failure))
        self._failed.append(failure)

    def _cancel_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.deadline is not None and now > running.deadline:
                running.timed_out = True
                running.context.cancelled.set()

    def _cancel_unpaid(self) -> None:
        for running in self._running.values():
            if running.refused is not None:
                continue
            try:
                self.hooks.cover(running.step, self._to_start())
            except NotApproved as error:
                running.refused = error
                running.context.broke.set()
                running.context.cancelled.set()

    def _stop_running(self) -> None:
        for running in self._running.values():
            running.context.cancelled.set()
        limit = time.monotonic() + STOP_SECONDS
        messages = []
        while self._running and time.monotonic() < limit:
            try:
                step, failure = self._ended.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            self._finish(step, failure)
            if failure is not None:
                messages.append(failure.error.message)
        raise Interrupted(
            "; ".join(["stopped on request", *messages]), fix="run the same command to continue"
        )


def _unpaid(step: Step, failure: StepFailure) -> ActionFailed:
    return ActionFailed(
        f"{step.action} was stopped before it cost more than the cap: {failure.error.message}",
        fix=failure.error.fix,
        failure_class=FailureClass.RESOURCE,
        name="money_used_up",
    )


def _judge(step: Step, outcome: Outcome) -> None:
    """A gate decides, never a sentence."""
    failed = [gate for gate in outcome.gates if not gate.passed]
    if failed:
        verdicts = ", ".join(
            f"{gate.name}: {gate.metric} is {gate.value:.4g}, must be {gate.direction} "
            f"{gate.threshold:.4g}"
            for gate in failed
        )
        raise Permanent(
            f"{step.action} did not pass its gate ({verdicts})",
            fix="run it with other values; the gate stays as it is",
            name="gate_failed",
        )
