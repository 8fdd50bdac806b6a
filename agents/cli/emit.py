"""``emit``: an event by hand."""

import json
import re
from typing import Annotated, Any

import click
from pydantic import AfterValidator, BeforeValidator

from agents.cli.options import takes
from agents.cli.output import emit, json_option
from agents.declare.words import word
from agents.ledger.events import new_event, new_id
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger
from agents.run.options import StateOptions

__all__ = ["emit_command"]

SOURCE = "manual"
MOST_SHOWN = 80
ENGINE = (
    *("run.", "step.", "plan.", "facts.", "money.", "trigger.", "watch."),
    *("approval.", "person."),
)


def _type(text: str) -> str:
    if text.startswith(ENGINE):
        raise ValueError(f"{text!r} is written by the engine alone")
    allowed = "letters, digits and . _ / -, at most 100"
    return _matching("type", text, r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", allowed)


def _id(text: str) -> str:
    allowed = "printable ASCII without spaces, at most 200"
    return _matching("id", text or new_id(), r"[\x21-\x7e]{1,200}", allowed)


def _matching(key: str, text: str, pattern: str, allowed: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{key}={text!r} is not allowed: {allowed}")
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # thousands of nested brackets
        parsed = None
    if not isinstance(parsed, dict):
        shown = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
        raise ValueError(f"data={shown} is not a JSON object")  # noqa: TRY004 - said to the user
    return parsed


def _refuse(constant: str) -> None:
    """JSON has no NaN and no Infinity."""
    raise ValueError(constant)


class EmitOptions(StateOptions):
    """The event."""

    type: Annotated[str, AfterValidator(_type)] = word("T", example="order.received")
    id: Annotated[str, AfterValidator(_id)] = word("ID", "")
    subject: str = word("S", "")
    data: Annotated[dict[str, Any], BeforeValidator(_object)] = word(
        "{…}", "{}", example="""'{"key": "value"}'"""
    )


@click.command("emit")
@takes(EmitOptions)
@json_option
def emit_command(options: EmitOptions, as_json: bool) -> None:
    """Append an event; a watcher looks at the goals it prompts.

    type= is what triggers name, data= a JSON object they may look into. With id=, the same event
    twice is one event.
    """
    payload = Foreign(of_type=options.type, data=options.data)
    event = new_event(payload, source=SOURCE, subject=options.subject, id=options.id)
    with Ledger(options.ledger) as ledger:
        new = ledger.receive(event)
    result = {"id": event.id, "source": SOURCE, "type": event.type, "new": new}
    twice = "" if new else " is in the ledger already"
    emit("emit", result, lambda: f"{event.type} {event.id}{twice}", json_wanted=as_json)
