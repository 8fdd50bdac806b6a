"""``watch``: pursue goals as events arrive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agents.cli.output import emit, json_option, say
from agents.cli.run import pursue, stopping
from agents.cli.serve import WRITER_SECONDS, ListenOptions, listen
from agents.cli.words import catalogue_of, question
from agents.declare.parameters import Parameters
from agents.declare.triggers import Trigger
from agents.errors import (
    ActionFailed,
    GoapError,
    Interrupted,
    Locked,
    Transient,
    UsageError,
)
from agents.ledger.store import Ledger
from agents.run.question import Question
from agents.run.tell import status_of
from agents.watching.source import Place
from agents.watching.sources import opened
from agents.watching.troubles import problem_of
from agents.watching.watch import Pursued, Watch
from agents.watching.webhook import WebhookServer

__all__ = ["watch_command"]


@click.command("watch")
@click.argument("words", nargs=-1, metavar="[goal=G [key=value]…] [port=N [host=A]]")
@click.option("--once", is_flag=True, help="Handle what is pending now, and end.")
@json_option
@click.pass_context
def watch_command(context: click.Context, words: tuple[str, ...], once: bool, as_json: bool) -> int:
    """Pursue goals as events arrive.

    Without goal=, every goal that has triggers, with its default parameters. port=N receives
    webhooks as well. An event only prompts a look: what is true already is not done again.
    """
    if as_json and not once:
        raise UsageError("--json prints one document, so it needs --once")
    listening = [word for word in words if word.partition("=")[0] in ListenOptions.names()]
    requests = _requests(context, tuple(word for word in words if word not in listening))
    first = next(iter(requests.values()))
    with (
        stopping() as stop,
        Ledger(first.ledger_path, patience=WRITER_SECONDS) as ledger,
    ):
        wake = threading.Event()
        with (
            opened(_watched(requests, None if once else wake), say) as sources,
            _webhooks(ledger, listening, wake) as server,
        ):
            watch = Watch(
                goals=[asked.goal for asked in requests.values()],
                ledger=ledger,
                sources=sources,
                pursue=lambda goal: _pursue(requests[goal.name], stop),
                told=say,
                stop=stop,
                wake=wake,
            )
            waiting = watch.waiting()
            if server is not None:
                waiting.append({"goal": "", "trigger": f"webhooks at port {server.port}"})
            if once:
                return _once(watch, waiting, as_json)
            # said when it began: who reads it may commit at once
            watch.run(lambda: say(f"watching {first.state}; Ctrl-C ends it\n{_shown(waiting)}"))
    return 0


def _requests(context: click.Context, words: tuple[str, ...]) -> dict[str, Question]:
    catalogue = catalogue_of(context)
    if any(word.startswith("goal=") for word in words):
        only = question(context, words)
        if not only.goal.triggers:
            raise UsageError(
                f"the goal {only.goal.name} has no triggers, so nothing would prompt it",
                fix="declare some beside it: triggers=(on(…),)",
            )
        return {only.goal.name: only}
    goals = [goal for goal in catalogue.goals.values() if goal.triggers]
    if not goals:
        raise UsageError("no goal has triggers", fix="declare some beside a goal: on(…)")
    return {goal.name: question(context, (*words, f"goal={goal.name}")) for goal in goals}


def _root(asked: Question) -> Path:
    params = asked.params
    return (params.repository if isinstance(params, Parameters) else None) or Path()


def _watched(
    requests: dict[str, Question], wake: threading.Event | None
) -> Iterator[tuple[Trigger, Place]]:
    for asked in requests.values():
        place = Place(_root(asked), None if wake is None else wake.set)
        yield from ((trigger, place) for trigger in asked.goal.triggers)


@contextmanager
def _webhooks(
    ledger: Ledger, words: list[str], wake: threading.Event
) -> Iterator[WebhookServer | None]:
    if not words:
        yield None
        return
    options = ListenOptions.read(words, "watch")
    server = listen(ledger, options.host, options.port, wake)
    try:
        yield server
    finally:
        server.close()


def _pursue(asked: Question, stop: threading.Event) -> Pursued:
    goal = asked.goal.name
    try:
        result = pursue(asked, stop)
    except (Locked, Interrupted):
        raise
    except GoapError as error:
        say(f"error: {error.message}" + (f"\n  fix: {error.fix}" if error.fix else ""))
        # what was asked for is still wanted when there is room again
        full = isinstance(error, ActionFailed) and error.name == "disk_full"
        code = Transient.exit_code if full else error.exit_code
        return Pursued(goal, 0, status_of(error), code, "", error.message)
    except Exception as error:  # noqa: BLE001 - a look that goes wrong ends no watcher
        problem = problem_of(error)
        say(f"error: {problem}")
        # what the machine refuses now, open files for example, it may grant later
        passing = isinstance(error, OSError)
        return Pursued(goal, 0, "error", Transient.exit_code if passing else 1, "", problem)
    return Pursued(goal, 0, result.status, 0, result.run or "")


def _once(watch: Watch, waiting: list[dict[str, str]], as_json: bool) -> int:
    pursued = watch.once()
    data: dict[str, Any] = {
        "waiting": waiting,
        "pursued": [vars(each) for each in pursued],
    }

    def text() -> str:
        lines = [
            f"{each.goal}: {each.status}" + (f" ({each.message})" if each.message else "")
            for each in pursued
        ]
        return "\n".join([*(lines or ["nothing is pending"]), "waiting for:", _shown(waiting)])

    emit("watch", data, text, json_wanted=as_json)
    return next((each.exit_code for each in pursued if each.exit_code), 0)


def _shown(waiting: list[dict[str, str]]) -> str:
    return "\n".join(
        f"  {each['goal']:<20} {each['trigger']}" if each["goal"] else f"  {each['trigger']}"
        for each in waiting
    )
