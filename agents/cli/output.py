"""What commands print: one JSON document, or text for a person; never both on stdout."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click
from pydantic import BaseModel

from agents.errors import GoapError
from agents.ledger.chain import json_values
from agents.ledger.redaction import redact, redacted

__all__ = ["as_json", "duration", "emit", "json_option", "money", "paint", "say", "write"]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON document on stdout."
)


def as_json(command: str, data: object) -> str:
    """The envelope of a command that succeeded."""
    document = {
        "schema": f"agents.{command}/1",
        "ok": True,
        "error": None,
        "data": json_values(redacted(data)),
    }
    return redact(
        json.dumps(document, ensure_ascii=False, sort_keys=True, default=str, allow_nan=False)
    )


def emit(command: str, data: Any, text: Callable[[], str], *, json_wanted: bool) -> None:
    """Print ``data``, a model or JSON values, as JSON; or the text made of it."""
    write(as_json(command, _plain(data)) if json_wanted else redact(text()))


def _plain(data: Any) -> Any:
    if isinstance(data, BaseModel):
        return data.model_dump(mode="json", by_alias=True)
    return [_plain(each) for each in data] if isinstance(data, list) else data


def write(text: str, *, end: str = "\n") -> None:
    """The answer of a command, or a piece of it, on stdout.

    Raises:
        GoapError: It cannot be written, because the disk is full for example.
    """
    # bytes of a file that are no UTF-8 were read as surrogates, which cannot be printed
    printable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        click.echo(printable + end, nl=False)
    except BrokenPipeError:
        raise  # whoever read it has seen enough
    except OSError as error:
        raise GoapError(
            f"the answer cannot be written: {error.strerror}",
            fix="write it elsewhere; what the command did is done",
        ) from error


def say(text: str) -> None:
    """A line for the person watching, on stderr; that nobody reads it is no reason to stop."""
    with suppress(OSError):
        click.echo(redact(text), err=True)


def paint(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """``text`` in colour; click drops the colour where there is no terminal."""
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``0.4 s``, ``3 min 05 s``, ``2 h 10 min``, ``42 d 3 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def money(usd: float | None) -> str:
    """Dollars as a person reads them; None is a price nobody knows."""
    if usd is None:
        return "price unknown"
    return "free" if usd == 0 else f"${usd:.2f}"
