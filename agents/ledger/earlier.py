"""Data of events as earlier versions wrote them, brought to the payloads of now.

Only migrations, and reading a ledger that is not migrated yet, need this.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from agents.ledger.chain import json_values
from agents.ledger.payloads import FactsObserved, RunStarted, StepNoted, StepVerified

__all__ = ["modern"]

_NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?(e[+-]?\d+)?")
_WORDS = {"true": True, "false": False, "unknown": None, "inf": None, "-inf": None, "nan": None}


def modern(type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of version 0.1 says, in the shape of its payload now."""
    change = _CHANGED.get(type_, dict)
    changed = json_values(change(data))
    assert isinstance(changed, dict)  # noqa: S101 - a mapping stays one
    return changed


def _run_started(data: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters were one mapping, and the state of the repository stood beside them."""
    kept = {key: value for key, value in data.items() if key not in ("params", "git")}
    return {**kept, "what": data.get("params", {}), "provenance": {"git": data.get("git")}}


def _facts_observed(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "readings": _readings(data.get("readings", {}))}


def _step_verified(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "facts": _readings(data.get("facts", {}))}


def _step_noted(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the action itself remembered stood beside what is said to people."""
    ours = ("step", "action", "text", "log")
    kept = {key: value for key, value in data.items() if key in ours}
    return {**kept, "about": {key: value for key, value in data.items() if key not in ours}}


def _readings(readings: Mapping[str, Any]) -> dict[str, Any]:
    return {fact: {**seen, "value": _value(seen["value"])} for fact, seen in readings.items()}


def _value(shown: object) -> object:
    """The value that was shown to people as this text.

    >>> [_value(text) for text in ("true", "unknown", "70,942", "0.25", "ready")]
    [True, None, 70942, 0.25, 'ready']
    """
    if not isinstance(shown, str):
        return shown
    if shown in _WORDS:
        return _WORDS[shown]
    if not _NUMBER.fullmatch(shown):
        return shown
    plain = shown.replace(",", "")
    return int(plain) if plain.lstrip("-").isdecimal() else float(plain)


_CHANGED: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    RunStarted.kind: _run_started,
    FactsObserved.kind: _facts_observed,
    StepVerified.kind: _step_verified,
    StepNoted.kind: _step_noted,
}
