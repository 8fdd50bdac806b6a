"""What can be asked of the toolkit: one function per question, the same for every door.

The functions return the models of `agents.schemas.models`. The command line prints them as JSON or
draws a view of them, the MCP server sends them; nobody else makes the answer.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from agents.command import command
from agents.declare.parameters import Parameters
from agents.declare.schedule import every
from agents.errors import LedgerDamaged, UsageError, nearest
from agents.ledger.events import timestamp, utc_now
from agents.ledger.history import RunHistory, find_history, summaries
from agents.ledger.payloads import Provenance, RepositoryState
from agents.ledger.projections.runs import open_runs
from agents.ledger.store import Ledger
from agents.notify import Sender, sender_of
from agents.people import approve, cancel
from agents.records import repository_state
from agents.run.cancelling import cancellable
from agents.run.decide import Deliberation, deliberate
from agents.run.identity import (
    RunResult,
    close_lost_runs,
    continued_runs,
    new_run_id,
)
from agents.run.lock import holders, running
from agents.run.notices import Notices
from agents.run.notifying import Notifying
from agents.run.paying import purse_of, read_accounts
from agents.run.progress import Kept, kept_progress
from agents.run.pursuit import Pursuit
from agents.run.question import Question, read_ledger
from agents.run.reporter import Reporter, Silent
from agents.schemas.brief import BriefRun, brief
from agents.schemas.explain import explained_action, explained_fact, explained_goal
from agents.schemas.models import (
    ExplainedAction,
    ExplainedFact,
    ExplainedGoal,
    PlanData,
    RunData,
    RunRow,
    ShowData,
    StatusData,
    WorkOn,
)
from agents.schemas.plan import plan_data, seen_facts
from agents.schemas.progress import RunProgress, progress_of

__all__ = [
    "approve",
    "cancel",
    "drawn_plan",
    "explain",
    "history",
    "plan",
    "progress",
    "run",
    "runs",
    "show",
    "shown",
    "status",
    "wait",
]

POLL_SECONDS = 0.25


def _consider(question: Question) -> Deliberation:
    """Observe, and think about what would be done; nothing is changed."""
    question = question.anew()
    context = question.context()
    world = question.observe(context)
    before = continued_runs(question.past, question.request)
    purse = purse_of(question, question.past, before, _nowhere, utc_now)
    estimates = read_accounts(question, context, purse, question.estimates())
    deliberation = deliberate(question, world, max_cost=purse.for_plans, estimates=estimates)
    return replace(deliberation, money=purse.standings())


def _nowhere(*_: object) -> None:
    """A purse that is only looked into books nothing."""


def plan(question: Question) -> PlanData:
    """The cheapest plan from what is true now; nothing is changed."""
    return plan_data(_consider(question))


def drawn_plan(question: Question, kind: str) -> tuple[PlanData, str]:
    """The same plan, and a picture of it in text: ``mermaid`` or ``dot``."""
    from agents.planning import graphs  # noqa: PLC0415 - only when a drawing is asked for

    deliberation = _consider(question)
    draw = {"mermaid": graphs.to_mermaid, "dot": graphs.to_dot}[kind]
    return plan_data(deliberation), draw(deliberation.result)


def explain(name: str, question: Question) -> ExplainedGoal | ExplainedAction | ExplainedFact:
    """A goal, an action or a fact, as the plan of the question has it.

    Raises:
        UsageError: Nothing has this name.
    """
    catalogue = question.catalogue
    names = [*catalogue.goals, *catalogue.actions, *catalogue.facts]
    if name not in names:
        raise UsageError(
            f"nothing is called {name!r}{nearest(name, names)}",
            fix=command("goals") + ", actions or facts",
        )
    # why something cannot be is asked about the world, not about the purse
    question = question.anew(max_cost=None)
    deliberation = _consider(question)
    if name in catalogue.goals:
        return explained_goal(deliberation)
    if name in catalogue.actions:
        return explained_action(deliberation, name)
    return explained_fact(deliberation, name)


def status(question: Question) -> StatusData:
    """What is true now of the facts that matter to the goal.

    Raises:
        Transient: Who knows does not answer, so that it is not known.
        Unauthenticated: Nor are our credentials accepted.
    """
    question = question.anew()
    context = question.context(asking=True)
    world = question.observe(context)
    if context.refused:
        raise context.refused[0]
    return StatusData(
        goal=question.goal.name,
        holds=question.holds(world),
        state=str(question.state),
        work=[
            WorkOn(fact=fact, **dict(each.work))
            for fact, each in world.readings.items()
            if each.work is not None
        ],
        facts=seen_facts(dict(world.readings)),
    )


def runs(
    state: Path, *, goal: str = "", status: str = "", since: str = "", limit: int = 0
) -> list[RunRow]:
    """The runs so far, newest first.

    Args:
        state: The state directory.
        goal: Only those of this goal.
        status: Only those that ended so.
        since: Only those that began since a date, or a time ago such as ``6h``.
        limit: At most so many; 0 for all.

    Raises:
        UsageError: ``since`` is neither.
    """
    begin = _since(since)
    rows = summaries(read_ledger(state), goal=goal, status=status, since=begin, limit=limit)
    try:
        return [RunRow.model_validate(row) for row in rows]
    except ValidationError as error:
        raise LedgerDamaged("the list of runs is damaged", fix=command("doctor")) from error


def _since(text: str, clock: Callable[[], datetime] = utc_now) -> str:
    if not text:
        return ""
    with suppress(ValueError):
        return timestamp(datetime.fromisoformat(text).replace(tzinfo=UTC))
    try:
        return timestamp(clock() - timedelta(seconds=every(text).seconds))
    except UsageError:
        raise UsageError(
            f"since={text} is neither a date nor a time ago", fix="since=2026-02-28 or since=2d"
        ) from None


def show(state: Path, name: str) -> BriefRun:
    """One run in brief; ``name`` is an id, a unique beginning of one, ``last`` or ``last~1``.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    return brief(history(state, name))


def progress(state: Path, name: str, clock: Callable[[], datetime] = utc_now) -> RunProgress:
    """How a run is, by the names that `show` takes, in at most 2 kB.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    story = history(state, name)
    return progress_of(story, kept_progress(state, story.run), clock())


def wait(state: Path, name: str, seconds: float, after: int = 0) -> RunProgress:
    """How a run is, as soon as it has an event behind ``after``, ended, or the time is up.

    Args:
        state: The state directory.
        name: The run, as `show` takes it.
        seconds: How long to wait at most.
        after: The sequence number that the last answer had; 0: answer when the run has ended.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    deadline = time.monotonic() + seconds
    while True:
        told = progress(state, name)
        news = after and told.sequence > after
        if news or told.status != "running" or time.monotonic() >= deadline:
            return told
        time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def history(state: Path, name: str) -> RunHistory:
    """One run as the ledger tells it, by the names that `show` takes.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    return find_history(read_ledger(state), name)


def shown(history: RunHistory) -> ShowData:
    """A run in full."""
    return ShowData.model_validate(history.data())


def run(
    question: Question,
    stop: threading.Event,
    reporter: Reporter | None = None,
    told: Callable[[str], object] = _nowhere,
) -> RunData:
    """Pursue a goal that does not hold yet, as the only run for this in its state directory.

    Args:
        question: What is asked.
        stop: Ends the run as interrupted.
        reporter: Is told what the run does.
        told: Is called with a line about the runs that were killed.

    Raises:
        GoapError: The goal was not reached, or another run is for the same.
    """
    question, run_id = question.anew(), new_run_id()
    sender = sender_of(question.notify)
    holding = _holds_already(question)
    owner = {"run": run_id, "goal": question.goal.name}
    if holding is not None:
        _close_killed(question)
        return _run_data(holding)
    what = question.request.what_digest
    with running(question.state, what, owner), question.ledger() as ledger:
        for lost in close_lost_runs(ledger, going_on=partial(_going_on, question.state)):
            told(f"the run {lost} was killed; continuing from what is true now")
        shown = Kept(reporter or Silent(), question.state, run_id)
        with (
            cancellable(question.state, run_id, stop) as ending,
            _notifying(question, ledger, shown, sender, told) as notified,
        ):
            git = _provenance(question)
            pursuit = Pursuit(question, ledger, notified, ending, git, run_id=run_id)
            return _run_data(pursuit.run())


def _notifying(
    question: Question,
    ledger: Ledger,
    reporter: Reporter,
    sender: Sender | None,
    told: Callable[[str], object],
) -> AbstractContextManager[Reporter]:
    """The reporter, which tells a person somewhere else too, where one was named."""
    if sender is None:
        return nullcontext(reporter)
    return Notifying(reporter, ledger, Notices(question.request), sender, told)


def _holds_already(question: Question) -> RunResult | None:
    """The result of a goal that holds before anything is done: no run, no lock, no file touched."""
    began = time.monotonic()
    world = question.observe(question.context())
    if not question.holds(world):
        return None
    actions = question.catalogue.actions
    if any(actions[name].recall is not None for name in question.unfinished()):
        return None
    seconds = time.monotonic() - began
    return RunResult("", question.goal.name, "nothing to do", seconds, (), world)


def _close_killed(question: Question) -> None:
    """A run that was killed after its last step must not count as running for ever."""
    going_on = partial(_going_on, question.state)
    if set(open_runs(question.past.ledger)) - set(going_on()):
        with question.ledger() as ledger:
            close_lost_runs(ledger, going_on=going_on)


def _going_on(state: Path) -> list[str]:
    return [owner.run for owner in holders(state)]


def _provenance(question: Question) -> Provenance:
    params = question.params
    folder = params.repository if isinstance(params, Parameters) else None
    state = repository_state(folder) if folder is not None else None
    if state is None:
        return Provenance()
    git = RepositoryState(commit=state.commit, dirty=state.dirty, branch=state.branch)
    return Provenance(git=git)


def _run_data(result: RunResult) -> RunData:
    return RunData.model_validate(
        {
            "run": result.run or None,
            "goal": result.goal,
            "status": result.status,
            "seconds": round(result.seconds, 3),
            "steps": list(result.steps),
            "facts": seen_facts(dict(result.world.readings)),
        }
    )
