"""The hash chain: what is written once is seen to be what was written, and where it stood.

Each event carries ``sha256(previous hash + canonical JSON of id, source, type, time, subject, run,
data)``, where canonical JSON has sorted keys, no spaces and no escapes that are not needed.
Whoever has the events can compute it again, in any language.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "FIRST",
    "GUARDS",
    "Line",
    "canonical",
    "json_text",
    "json_values",
    "link",
]

FIRST = "0" * 64
"""What stands for the hash before the first event."""

GUARDS = {
    f"events_no_{change.lower()}": f"CREATE TRIGGER events_no_{change.lower()} BEFORE {change}"
    " ON events BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for change in ("UPDATE", "DELETE")
}
"""Triggers that refuse updates and deletions: name → how it is made."""

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


class Line(NamedTuple):
    """What the hash of one event is made of; ``data`` is canonical JSON."""

    id: str
    source: str
    type: str
    time: str
    subject: str
    run: str
    data: str


def canonical(data: object) -> str:
    """``data`` as the one JSON text of these values."""
    return _ENCODER.encode(data)


def link(previous: str, line: Line) -> str:
    """The hash of an event that stands behind the one with the hash ``previous``.

    The data are JSON already and stand first, because the keys are sorted.

    >>> line = Line("i", "s", "t", "2026-02-28T12:45:30.120Z", "", "r", '{"n":1}')
    >>> names = {"id": "i", "source": "s", "type": "t", "subject": "", "run": "r"}
    >>> whole = canonical({**names, "time": line.time, "data": {"n": 1}})
    >>> link(FIRST, line) == hashlib.sha256((FIRST + whole).encode()).hexdigest()
    True
    """
    quoted = _ENCODER.encode
    text = (
        f'{previous}{{"data":{line.data},"id":{quoted(line.id)},"run":{quoted(line.run)},'
        f'"source":{quoted(line.source)},"subject":{quoted(line.subject)},'
        f'"time":{quoted(line.time)},"type":{quoted(line.type)}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def json_values(data: Any) -> Any:
    """``data`` as values that JSON has: lists, mappings, and null for a number that is not finite.

    A character that is no Unicode, half of a pair for example, becomes an escape.
    """
    if isinstance(data, str):
        return json_text(data)
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {json_values(str(key)): json_values(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [json_values(each) for each in data]
    return data


def json_text(text: str) -> str:
    r"""The text with an escape for what is no character, so that anybody can encode it.

    A byte of a name that is not UTF-8, and half of a pair, stay what they are, and stay apart.

    >>> json_text("caf\udce9"), json_text("half \ud800")
    ('caf\\udce9', 'half \\ud800')
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
