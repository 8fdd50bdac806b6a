"""Triggers: "when such an event arrives, pursue that goal", declared beside the goal.

```
Goal("published", …, triggers=(
    on("git.commit", paths="book/**"),
    on("webhook.received", where={"name": "publish", "branch": "main"}),
    on("webhook.received", where={"kind": "workflow_run", "workflow_run.conclusion": "success"}),
    on(daily="06:30", zone="Europe/Zurich"),
))
```

A trigger is level-triggered: its event only prompts observing. What is done depends on what is
true then, so an event that is lost, doubled or late changes nothing that the next one would not.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from agents.declare.schedule import Schedule, cron, daily, every
from agents.errors import UsageError
from agents.ledger.chain import json_text
from agents.ledger.events import Event
from agents.ledger.payloads import FileChanged, GitCommit, ScheduleDue, Value

__all__ = [
    "COMMIT",
    "DUE",
    "FILE",
    "Trigger",
    "fits",
    "matches_path",
    "on",
]

COMMIT = GitCommit.kind
FILE = FileChanged.kind
DUE = ScheduleDue.kind

DEBOUNCE_SECONDS = 2.0


@dataclass(frozen=True)
class Trigger:
    """Which events prompt a look at the goal it is declared with.

    Attributes:
        event: The type of the event.
        paths: For commits and files: patterns, of which one must fit.
        branch: For commits: the branch; empty means the one that is checked out.
        schedule: When ``schedule.due`` is due.
        where: Values the event's data must have, by their dotted names.
        debounce: Seconds without another such event before the goal is looked at.
    """

    event: str
    paths: tuple[str, ...] = ()
    branch: str = ""
    schedule: Schedule | None = None
    where: tuple[tuple[str, Value], ...] = ()
    debounce: float = DEBOUNCE_SECONDS

    def __str__(self) -> str:
        if self.schedule is not None:
            return self.schedule.text
        parts = [self.event]
        if self.branch:
            parts.append(f"on {self.branch}")
        if self.paths:
            parts.append(f"touching {', '.join(self.paths)}")
        if self.where:
            said = ", ".join(f"{key}={_written(value)}" for key, value in self.where)
            parts.append(f"where {said}")
        return " ".join(parts)

    def matches(self, event: Event) -> bool:
        """Whether this is such an event."""
        if event.type != self.event:
            return False
        if self.schedule is not None:
            return event.subject == self.schedule.text
        said = event.attributes()
        if self.branch and said.get("branch") != json_text(self.branch):
            return False
        if self.paths and not _touches(said, self.paths):
            return False
        # what brings nothing to look at prompts those alone who ask for just that
        asked = {key for key, _ in self.where}
        return asked.issuperset(_texts(said, "only_for")) and fits(event, self.where)


def on(  # noqa: PLR0913 - each word of a trigger
    event: str = "",
    *,
    paths: str | Iterable[str] = (),
    branch: str = "",
    every: str = "",
    daily: str = "",
    cron: str = "",
    zone: str = "",
    where: Mapping[str, Value] | None = None,
    debounce: float = DEBOUNCE_SECONDS,
) -> Trigger:
    """Declare a trigger: an event type, or one of ``every``, ``daily`` and ``cron``.

    Args:
        event: ``git.commit``, ``file.changed``, ``webhook.received``, ``run.finished``,
            ``watch.started``, or any type that ``python -m agents emit`` is told.
        paths: Patterns such as ``book/**``; ``*`` stays within a folder, ``**`` does not.
        branch: Only commits on this branch, also those that a webhook tells of.
        every: An interval such as ``6h``.
        daily: A time of day such as ``06:30``.
        cron: Five fields, or ``@hourly``, ``@daily``, ``@weekly``, ``@monthly``, ``@yearly``.
        zone: Where ``daily`` and ``cron`` are read from a clock: ``Europe/Zurich``; UTC otherwise.
        where: Values the event's data must have, by their dotted names, with their JSON types or
            as they are written: ``{"deleted": False}``. ``goal`` is that of a finished run.
        debounce: Seconds of quiet before the goal is looked at.

    Raises:
        UsageError: Neither or both of an event and a schedule, or what makes no sense.
    """
    schedule = _schedule(event, every, daily, cron, zone)
    patterns = _patterns(event, [paths] if isinstance(paths, str) else paths)
    return Trigger(event or DUE, patterns, branch, schedule, _where(where or {}), debounce)


def _patterns(event: str, paths: Iterable[str]) -> tuple[str, ...]:
    patterns = tuple(path for path in paths if path)
    if event == FILE and not patterns:
        raise UsageError(f"{FILE} needs paths=: what to watch")
    return patterns


def _schedule(event: str, interval: str, time: str, line: str, zone: str) -> Schedule | None:
    if bool(event) == bool(interval or time or line):
        raise UsageError("a trigger has either an event type or one schedule")
    if len([text for text in (interval, time, line) if text]) > 1:
        raise UsageError("a trigger has one of every=, daily= and cron=")
    if zone and not (time or line):
        raise UsageError("zone= says where daily= or cron= is read from a clock: one is needed")
    if interval:
        return every(interval)
    if time:
        return daily(time, zone)
    return cron(line, zone) if line else None


def _where(where: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    for key, value in where.items():
        if not all(key.split(".")):
            raise UsageError(f"where={{{key!r}: …}} names no value", fix='"repository.full_name"')
        if value is not None and not isinstance(value, str | bool | int | float):
            raise UsageError(
                f"where={{{key!r}: {value!r}}}: no event has that as one value",
                fix="a text, a number, True, False or None; the name of a value inside is dotted",
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"where={{{key!r}: {value}}}: JSON has no such number")
    return tuple(sorted(where.items(), key=lambda each: each[0]))


def fits(event: Event, where: Iterable[tuple[str, Value]]) -> bool:
    """Whether the event's data has these values, each of its type in JSON.

    A text fits itself, and the value that is written so: ``"false"`` fits ``false`` as well.
    """
    attributes = event.attributes()
    return all(_is(_found(attributes, key), value) for key, value in where)


_NOTHING = object()


def _found(attributes: Mapping[str, object], key: str) -> object:
    """The value of a dotted name: one that is called so, or one inside of another."""
    if key in attributes:
        return attributes[key]
    first, _, rest = key.partition(".")
    inner = attributes.get(first)
    return _found(inner, rest) if rest and isinstance(inner, Mapping) else _NOTHING


def _is(found: object, wanted: Value) -> bool:
    if found is _NOTHING:
        return False
    if isinstance(wanted, str):
        return _written(found) == wanted
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    return found == wanted


def _written(value: object) -> str:
    """A JSON value as it is written in ``where=``: true is ``true``."""
    return value if isinstance(value, str) else json.dumps(value)


def matches_path(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits a path with forward slashes.

    >>> matches_path("book/parts/one.md", ["book/**"])
    True
    >>> matches_path("book/parts/one.md", ["book/*.md"])
    False
    """
    ours = json_text(path)  # as the ledger has it, wherever it was read
    return any(_expression(json_text(pattern)).fullmatch(ours) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _touches(said: Mapping[str, object], patterns: tuple[str, ...]) -> bool:
    # who tells of some of the files only may mean any
    return said.get("more_paths") is True or any(
        matches_path(each, patterns) for each in _texts(said, "paths")
    )


def _texts(said: Mapping[str, object], key: str) -> list[str]:
    values = said.get(key)
    return [str(each) for each in values] if isinstance(values, list | tuple) else []
