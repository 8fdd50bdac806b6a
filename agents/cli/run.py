"""``run``: plan, then act until the goal holds."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from agents import api
from agents.cli.live import reporter_for
from agents.cli.output import duration, emit, json_option, say
from agents.cli.plan import plan_command
from agents.cli.words import question
from agents.command import command
from agents.run.question import Question
from agents.schemas.models import RunData

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
    notify=WHERE (or $AGENTS_NOTIFY) tells you elsewhere that it is done, failed or stalled, waits
    for you, or used 80 % of the money: a URL of apprise, or a command.
    Ctrl-C ends the run cleanly; the same command continues it.
    """
    if dry_run:
        code = context.invoke(plan_command, words=words, graph=None, as_json=as_json)
        return int(code)
    asked = question(context, words)
    with stopping() as stop:
        data = pursue(asked, stop)
    if as_json:
        emit("run", data, str, json_wanted=True)
    else:
        say(_ending(data))
    return 0


def pursue(asked: Question, stop: threading.Event) -> RunData:
    """Pursue a goal and show it while it happens.

    Raises:
        GoapError: The goal was not reached, or another run is for the same.
    """
    with reporter_for(sys.stderr) as reporter:
        return api.run(asked, stop, reporter, say)


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


def _ending(data: RunData) -> str:
    if data.status == "nothing to do":
        return f"nothing to do: {data.goal} holds ({duration(data.seconds)})"
    return (
        f"done: {data.goal} holds; {len(data.steps)} steps in {duration(data.seconds)}"
        f"\n  the story: {command(f'show {data.run}')}"
    )
