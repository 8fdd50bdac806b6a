"""What a ledger says, oldest first: read as far as somebody looks, never all of it at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from agents.ledger.events import Event
from agents.ledger.payloads import StepFailed, StepFinished, StepNoted, StepVerified
from agents.ledger.projections.places import ACTION, numbers_of, texts_of
from agents.ledger.projections.runs import runs_of_outcomes
from agents.ledger.rows import Opened

__all__ = ["Past", "about", "endings_of", "of_types", "with_outcomes"]

PAGE = 500
_MANY = 400
"""SQLite takes so many names in one statement, and more."""


@dataclass(frozen=True, eq=False)
class Past(Sequence[Event]):
    """The events of a ledger, or some of them; a sequence that holds none of them.

    Attributes:
        ledger: Is asked, page by page.
        types: Only those of these types; all when empty.
        run: Only those of this run.
        after: Only those with a higher sequence number.
        mentions: Only those that are about one of these things: name and value.
    """

    ledger: Opened
    types: tuple[str, ...] = ()
    run: str | None = None
    after: int = 0
    mentions: tuple[tuple[str, str], ...] = field(default=())

    def of(
        self,
        *types: str,
        run: str | None = None,
        after: int = 0,
        about: Iterable[tuple[str, str]] = (),
    ) -> "Past":
        """Only those events."""
        return replace(self, types=types, run=run, after=after, mentions=tuple(about))

    def __iter__(self) -> Iterator[Event]:
        # what is appended meanwhile is not part of it: who notes while they read would never end
        end = self.last
        last = self.after
        while page := self._page("seq > ? AND seq <= ?", (last, end), "ASC"):
            yield from self._wanted(page)
            last = page[-1].sequence

    def __reversed__(self) -> Iterator[Event]:
        first = self.last + 1
        while page := self._page("seq < ? AND seq > ?", (first, self.after), "DESC"):
            yield from self._wanted(reversed(page))
            first = page[0].sequence

    def __len__(self) -> int:
        if self.types or self.run is not None or self.mentions:
            return sum(1 for _ in self)
        found = self.ledger.rows("SELECT count(*) FROM events WHERE seq > ?", (self.after,))
        return int(found[0][0]) if found else 0

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        if index == -1:
            newest = next(reversed(self), None)
            if newest is None:
                raise IndexError(index)
            return newest
        return list(self)[index]

    @property
    def last(self) -> int:
        """The sequence number of the newest event of the ledger; 0 when it is empty."""
        found = self.ledger.rows("SELECT coalesce(max(seq), 0) FROM events")
        return int(found[0][0]) if found else 0

    def _wanted(self, page: Iterable[Event]) -> Iterator[Event]:
        for event in page:
            if (not self.types or event.type in self.types) and self.run in (None, event.run):
                yield event

    def _page(self, between: str, edges: tuple[int, int], order: str) -> list[Event]:
        """The next events, by the index that finds them; some of them may not be wanted."""
        limited = f"AND {between} ORDER BY seq {order} LIMIT {PAGE}"
        selects, parameters = [], []
        for select, *named in self._ways():
            selects.append(f"SELECT seq FROM ({select} {limited})")
            parameters += [*named, *edges]
        wanted = f"{' UNION '.join(selects)} ORDER BY seq {order} LIMIT {PAGE}"
        return self.ledger.select(f"e.seq IN (SELECT seq FROM ({wanted}))", parameters)

    def _ways(self) -> Iterator[tuple[str, ...]]:
        if self.mentions:
            for name, value in self.mentions:
                sql = "SELECT seq FROM projected_mentions WHERE name = ? AND value = ?"
                yield sql, name, value
        elif self.run is not None:
            yield "SELECT seq FROM events WHERE run = ?", self.run
        elif self.types:
            for type_ in self.types:
                yield "SELECT seq FROM events WHERE type = ?", type_
        else:
            yield ("SELECT seq FROM events WHERE 1",)

    def of_outcomes(self, named: str = "") -> list[Event]:
        """The events of the runs that have an outcome worth telling.

        Args:
            named: With the notes of all runs that are about something with this name.
        """
        found = {event.sequence: event for event in self._noted(named)}
        for run in runs_of_outcomes(self.ledger):
            found |= {event.sequence: event for event in self.of(run=run)}
        return [found[sequence] for sequence in sorted(found)]

    def _noted(self, name: str) -> Iterator[Event]:
        numbers = numbers_of(self.ledger, name) if name else []
        for begin in range(0, len(numbers), _MANY):
            some = numbers[begin : begin + _MANY]
            yield from self.ledger.select(f"e.seq IN ({','.join('?' * len(some))})", some)


def of_types(events: Sequence[Event], *types: str) -> Sequence[Event]:
    """Only the events of these types."""
    if isinstance(events, Past):
        return events.of(*types)
    return [event for event in events if event.type in types]


def about(events: Sequence[Event], name: str, value: str) -> Sequence[Event]:
    """Only the notes and outcomes that are about the thing that its action called ``name``."""
    if isinstance(events, Past):
        return events.of(about=[(name, value)])
    return [each for each in events if texts_of(each).get(name) == value]


def endings_of(events: Sequence[Event], *actions: str) -> Sequence[Event]:
    """Only the events that say how a step of these actions went."""
    if isinstance(events, Past):
        ends = (StepFinished.kind, StepFailed.kind, StepVerified.kind)
        return events.of(*ends, about=[(ACTION, action) for action in actions])
    return [
        each
        for each in events
        if not isinstance(each.payload, StepNoted) and texts_of(each).get(ACTION) in actions
    ]


def with_outcomes(events: Sequence[Event], named: str = "") -> Sequence[Event]:
    """The events of runs with an outcome worth telling, and the notes with ``named`` of all runs.

    Of events that are in memory already, all: there is nothing to be saved.
    """
    return events.of_outcomes(named) if isinstance(events, Past) else events
