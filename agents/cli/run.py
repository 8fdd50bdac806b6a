"""``run``: plan, then act until the goal holds."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from agents.cli.live import reporter_for
from agents.cli.output import duration, emit, json_option, say
from agents.cli.plan import plan_command
from agents.cli.words import Request, request
from agents.command import command
from agents.declare.facts import json_value
from agents.errors import Locked
from agents.ledger.payloads import Provenance, RepositoryState
from agents.ledger.store import Ledger
from agents.records import repository_state
from agents.run.identity import RunResult, close_lost_runs, new_run_id, open_runs
from agents.run.lock import exclusive
from agents.run.observe import observe
from agents.run.pursuit import Pursuit

__all__ = ["pursue", "run_command", "stopping"]


@click.command("run")
@click.argument("words", nargs=-1, metavar="goal=G [key=value]…")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing; the same as plan.")
@json_option
@click.pass_context
def run_command(
    context: click.Context, words: tuple[str, ...], dry_run: bool, as_json: bool
) -> int:
    """Plan, then act until the goal holds.

    max_cost=USD caps what a plan may cost; plan_digest=D runs only the plan that was shown.
    Ctrl-C ends the run cleanly; the same command continues it.
    """
    if dry_run:
        code = context.invoke(plan_command, words=words, graph=None, as_json=as_json)
        return int(code)
    asked = request(context, words)
    with stopping() as stop:
        result = pursue(asked, stop)
    _tell(result, json_wanted=as_json)
    return 0


def pursue(asked: Request, stop: threading.Event) -> RunResult:
    """Pursue a goal that does not hold yet, as the only runner of its state directory.

    Raises:
        GoapError: The goal was not reached, or another run holds the lock.
    """
    holding = _holds_already(asked)
    run = new_run_id()
    if holding is not None:
        _close_killed(asked, run)
        return holding
    with (
        exclusive(asked.state, {"run": run, "goal": asked.goal.name}),
        Ledger(asked.ledger_path) as ledger,
    ):
        for lost in close_lost_runs(ledger):
            say(f"the run {lost} was killed; continuing from what is true now")
        return _pursue(asked, ledger, run, stop)


def _close_killed(asked: Request, run: str) -> None:
    """A run that was killed after its last step must not count as running for ever."""
    with Ledger(asked.ledger_path, readonly=True) as ledger:
        if not open_runs(ledger):
            return
    owner = {"run": run, "goal": asked.goal.name}
    # who holds the lock is the run that is open: nothing was killed
    with suppress(Locked), exclusive(asked.state, owner), Ledger(asked.ledger_path) as ledger:
        close_lost_runs(ledger)


def _tell(result: RunResult, *, json_wanted: bool) -> None:
    if json_wanted:
        emit("run", _data(result), str, json_wanted=True)
    else:
        say(_ending(result))


def _holds_already(asked: Request) -> RunResult | None:
    """The result of a goal that holds before anything is done: no run, no lock, no file touched."""
    began = time.monotonic()
    facts = asked.catalogue.relevant(asked.goal, asked.params)
    world = observe(asked.catalogue, facts, asked.looking())
    if not all(world.holds(each) for each in asked.goal.conditions(asked.params)):
        return None
    if any(asked.catalogue.actions[name].recall is not None for name in asked.unfinished()):
        return None
    return RunResult("", asked.goal.name, "nothing to do", time.monotonic() - began, (), world)


def _pursue(asked: Request, ledger: Ledger, run: str, stop: threading.Event) -> RunResult:
    with reporter_for(sys.stderr) as reporter:
        pursuit = Pursuit(
            catalogue=asked.catalogue,
            goal=asked.goal,
            params=asked.params,
            state=asked.state,
            ledger=ledger,
            reporter=reporter,
            stop=stop,
            max_cost=asked.max_cost,
            plan_digest=asked.plan_digest,
            capacity=asked.goal.capacity(asked.params),
            provenance=_provenance(asked),
            wait=asked.wait,
            run_id=run,
        )
        return pursuit.run()


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and SIGHUP set, instead of tearing the process down."""
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _provenance(asked: Request) -> Provenance:
    repo = getattr(asked.params, "repo", None)
    state = repository_state(repo) if repo is not None else None
    if state is None:
        return Provenance()
    git = RepositoryState(commit=state.commit, dirty=state.dirty, branch=state.branch)
    return Provenance(git=git)


def _data(result: RunResult) -> dict[str, Any]:
    return {
        "run": result.run or None,
        "goal": result.goal,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "steps": list(result.steps),
        "facts": [
            {"name": fact, "value": json_value(reading.value), "evidence": reading.evidence}
            for fact, reading in result.world.readings.items()
        ],
    }


def _ending(result: RunResult) -> str:
    if result.status == "nothing to do":
        return f"nothing to do: {result.goal} holds ({duration(result.seconds)})"
    return (
        f"done: {result.goal} holds; {len(result.steps)} steps in {duration(result.seconds)}"
        f"\n  the story: {command(f'show {result.run}')}"
    )
