"""Every source of events: which one a trigger is served by, opened once for all that it serves.

A new source is a module with a class like those here, and one line in `SOURCES`. What it writes may
be `Foreign`: a type and a mapping, which any trigger can name and any reader gets as a mapping.

Where readers should get fields with types, it has a payload in `agents/ledger/payloads/watching.py`
and a line in `_SOURCES` of that package; pages may quote its type then, too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from agents.declare.triggers import Trigger
from agents.errors import UsageError
from agents.watching.clock import ScheduleSource
from agents.watching.files import FileSource
from agents.watching.git import GitSource
from agents.watching.source import Opener, Place, Source

__all__ = ["SOURCES", "opened"]

SOURCES: tuple[Opener, ...] = (ScheduleSource, GitSource, FileSource)
"""Events that no source here serves are written by others: ``emit``, webhooks, runs."""


@contextmanager
def opened(
    watched: Iterable[tuple[Trigger, Place]],
    told: Callable[[str], object],
    openers: Sequence[Opener] = SOURCES,
) -> Iterator[list[Source]]:
    """The sources of these triggers, closed in the end; two of the same share one.

    Args:
        watched: Each trigger, and where it is watched.
        told: Called where a source cannot be opened; the others are watched all the same.
        openers: The sources there are.
    """
    sources: dict[tuple[object, ...], Source] = {}
    try:
        for trigger, place in watched:
            for opener in openers:
                what = opener.serves(trigger, place)
                if what is None or (opener, what) in sources:
                    continue
                try:
                    sources[opener, what] = opener.open(trigger, place)
                except UsageError as error:
                    told(f"not watched: {error.message}")
        yield list(sources.values())
    finally:
        for source in sources.values():
            source.close()
