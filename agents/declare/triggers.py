"""Triggers: "when such an event arrives, pursue that goal", declared beside the goal.

```
Goal("published", …, triggers=(
    on("git.commit", paths="book/**"),
    on("webhook.received", where={"name": "publish"}),
    on(daily="06:30"),
))
```

A trigger is level-triggered: its event only prompts observing. What is done depends on what is
true then, so an event that is lost, doubled or late changes nothing that the next one would not.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from agents.declare.schedule import Schedule, cron, daily, every
from agents.errors import UsageError
from agents.ledger.events import Event
from agents.ledger.payloads import FileChanged, GitCommit, ScheduleDue

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
        where: Values the event's data must have.
        debounce: Seconds without another such event before the goal is looked at.
    """

    event: str
    paths: tuple[str, ...] = ()
    branch: str = ""
    schedule: Schedule | None = None
    where: tuple[tuple[str, str], ...] = ()
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
            parts.append("where " + ", ".join(f"{key}={value}" for key, value in self.where))
        return " ".join(parts)

    def matches(self, event: Event) -> bool:
        """Whether this is such an event."""
        if event.type != self.event:
            return False
        if self.schedule is not None:
            return event.subject == self.schedule.text
        if self.branch and event.subject != self.branch:
            return False
        if self.paths and not any(matches_path(each, self.paths) for each in _paths(event)):
            return False
        return fits(event, self.where)


def on(
    event: str = "",
    *,
    paths: str | Iterable[str] = (),
    branch: str = "",
    every: str = "",
    daily: str = "",
    cron: str = "",
    where: Mapping[str, str] | None = None,
    debounce: float = DEBOUNCE_SECONDS,
) -> Trigger:
    """Declare a trigger: an event type, or one of ``every``, ``daily`` and ``cron``.

    Args:
        event: ``git.commit``, ``file.changed``, ``webhook.received``, ``run.finished``,
            ``watch.started``, or any type that ``python -m agents emit`` is told.
        paths: Patterns such as ``book/**``; ``*`` stays within a folder, ``**`` does not.
        branch: Only commits on this branch.
        every: An interval such as ``6h``.
        daily: A time of day in UTC such as ``06:30``.
        cron: Five fields, in UTC.
        where: Values the event's data must have; ``goal`` is that of a finished run.
        debounce: Seconds of quiet before the goal is looked at.

    Raises:
        UsageError: Neither or both of an event and a schedule, or a schedule that makes no sense.
    """
    schedule = _schedule(event, every, daily, cron)
    patterns = tuple(path for path in ([paths] if isinstance(paths, str) else paths) if path)
    if event == FILE and not patterns:
        raise UsageError(f"{FILE} needs paths=: what to watch")
    return Trigger(
        event or DUE,
        patterns,
        branch,
        schedule,
        tuple(sorted((where or {}).items())),
        debounce,
    )


def _schedule(event: str, interval: str, time: str, line: str) -> Schedule | None:
    if bool(event) == bool(interval or time or line):
        raise UsageError("a trigger has either an event type or one schedule")
    if len([text for text in (interval, time, line) if text]) > 1:
        raise UsageError("a trigger has one of every=, daily= and cron=")
    if interval:
        return every(interval)
    if time:
        return daily(time)
    return cron(line) if line else None


def fits(event: Event, where: Iterable[tuple[str, str]]) -> bool:
    """Whether the event's data has these values."""
    attributes = event.attributes()
    return all(key in attributes and _written(attributes[key]) == value for key, value in where)


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
    return any(_expression(pattern).fullmatch(path) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _paths(event: Event) -> list[str]:
    paths = event.attributes().get("paths")
    return [str(path) for path in paths] if isinstance(paths, list | tuple) else []
