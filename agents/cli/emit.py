"""``emit``: an event by hand."""

import json
import re
from typing import Any

import click

from agents.cli.output import emit, json_option
from agents.cli.words import LEDGER_NAME, parse_words, state_directory
from agents.command import command
from agents.errors import UsageError
from agents.ledger.events import new_event, new_id
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger

__all__ = ["emit_command"]

SOURCE = "manual"
MOST_SHOWN = 80
KEYS = ("type", "id", "subject", "data", "state")
ENGINE = (
    *("run.", "step.", "plan.", "facts.", "money.", "trigger.", "watch."),
    *("approval.", "person."),
)
TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
ID = re.compile(r"[\x21-\x7e]{1,200}")


@click.command("emit")
@click.argument("words", nargs=-1, metavar="type=T [id=ID] [subject=S] [data={…}]")
@json_option
def emit_command(words: tuple[str, ...], as_json: bool) -> None:
    """Append an event; a watcher looks at the goals it prompts.

    type= is what triggers name, data= a JSON object they may look into. With id=, the same event
    twice is one event.
    """
    given = parse_words(words)
    for key in given:
        if key not in KEYS:
            raise UsageError(
                f"emit takes {', '.join(KEYS)}, not {key}=", fix="""data='{"key": "value"}'"""
            )
    type_ = given.pop("type", "")
    if not type_ or type_.startswith(ENGINE):
        problem = f"{type_!r} is written by the engine alone" if type_ else "no type given"
        raise UsageError(problem, fix=command("emit type=order.received"))
    _matching("type", type_, TYPE, "letters, digits and . _ / -, at most 100")
    state = state_directory(given.pop("state", None))
    id_, subject = given.pop("id", "") or new_id(), given.pop("subject", "")
    _matching("id", id_, ID, "printable ASCII without spaces, at most 200")
    data = _object(given.pop("data", "{}"))
    foreign = Foreign(of_type=type_, data=data)
    event = new_event(foreign, source=SOURCE, subject=subject, id=id_)
    with Ledger(state / LEDGER_NAME) as ledger:
        new = ledger.receive(event)
    result = {"id": id_, "source": SOURCE, "type": type_, "new": new}
    text = f"{type_} {id_}" if new else f"{type_} {id_} is in the ledger already"
    emit("emit", result, lambda: text, json_wanted=as_json)


def _matching(key: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"{key}={value!r} is not allowed: {allowed}")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # thousands of nested brackets
        found = None
    if not isinstance(found, dict):
        shown = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
        raise UsageError(f"data={shown} is not a JSON object", fix="""data='{"key": "value"}'""")
    return found


def _refuse(constant: str) -> None:
    """JSON has no NaN and no Infinity."""
    raise ValueError(constant)
