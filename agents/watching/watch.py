"""Watching: events prompt a look at the goals whose triggers they fit, and pursue what is missing.

What was handled is written to the ledger after the goal was pursued. Killed in between, the next
watcher looks again: by then the goal holds, or is pursued to its end. Nothing else is remembered.

What fails in passing ends no watcher: a source that cannot look, a full disk, a ledger that another
process holds. It is said once, and tried again after a while.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agents.declare.actions import Goal
from agents.declare.triggers import Trigger
from agents.errors import GoapError, Interrupted, LedgerDamaged, Locked
from agents.ledger.events import Event, new_event, utc_now
from agents.ledger.payloads import (
    RunFinished,
    TriggerDeferred,
    TriggerHandled,
    WatchStarted,
)
from agents.ledger.store import Ledger
from agents.watching.source import Source
from agents.watching.troubles import Troubles

__all__ = ["Pursued", "Watch"]

LONGEST_WAIT = 10
"""A stream of events is debounced for at most so many times the debounce."""

MOST_DEFERRALS = 5
FIRST_DEFERRAL_SECONDS = 30.0
LOCKED_SECONDS = 5.0
MOST_IDS = 20
MOST_DAMAGED = 5
"""So often in a row a ledger is found damaged before it is believed."""

LEDGER = "the ledger"
TICK_SECONDS = 1.0
LOOKS_AT_STOP = 4
MARK_EVERY = 1000
"""After so many events it is worth remembering how far one has looked."""


@dataclass(frozen=True)
class Pursued:
    """How looking at a goal ended: ``nothing to do``, ``done``, or the code of an error."""

    goal: str
    events: int
    status: str
    exit_code: int = 0
    run: str = ""
    message: str = ""


@dataclass
class _Pending:
    """Events that no look at a goal has answered yet, and how long it is left alone."""

    events: list[tuple[Event, Trigger]] = field(default_factory=list)
    put_off: tuple[datetime, datetime] | None = None
    deferrals: int = 0


Pursue = Callable[[Goal], Pursued]


@dataclass
class Watch:
    """Reads the ledger as it grows and pursues goals, one at a time.

    Attributes:
        goals: Those with triggers.
        ledger: The log all sources write to, of this process and of others.
        sources: Asked at every tick.
        pursue: Looks at a goal and pursues it; never raises for a run that failed, but
            `Locked` and `Interrupted`.
        told: Called with what a person should know.
        stop: Set to end.
        wake: Set by sources that have something, so that nobody waits for the next tick.
    """

    goals: Sequence[Goal]
    ledger: Ledger
    sources: Sequence[Source]
    pursue: Pursue
    told: Callable[[str], object] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], datetime] = utc_now
    _seen: int = 0
    _marks: dict[str, int] = field(default_factory=dict)
    _pending: dict[str, _Pending] = field(default_factory=dict)
    _owed: dict[str, Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._troubles = Troubles(self._say, self._now)

    def begin(self) -> None:
        """Note where every source is now: whatever happens after this is seen.

        Raises:
            GoapError: The ledger cannot be written to.
        """
        self.ledger.append(new_event(WatchStarted(goals=tuple(self._names())), clock=self.clock))
        for source in self.sources:
            self._poll(source)

    def run(self, begun: Callable[[], object] = lambda: None) -> None:
        """Watch until ``stop`` is set.

        Args:
            begun: Called when whatever happens from now on is seen.

        Raises:
            LedgerDamaged: It is, and stays so.
        """

        def begin() -> None:
            self.begin()
            begun()

        doing: Callable[[], object] = begin
        while not self.stop.is_set():
            if self._tried(doing):
                doing = self.tick
            for _ in range(LOOKS_AT_STOP):
                if self.stop.is_set() or self.wake.wait(TICK_SECONDS / LOOKS_AT_STOP):
                    break
            self.wake.clear()

    def _tried(self, doing: Callable[[], object]) -> bool:
        """Whether it could be done now, as the ledger is one that can be used."""
        if self._troubles.resting(LEDGER):
            return False
        try:
            doing()
        except GoapError as error:
            times = self._troubles.met(LEDGER, error)
            if isinstance(error, LedgerDamaged) and times >= MOST_DAMAGED:
                raise
            return False
        self._troubles.over(LEDGER)
        return True

    def once(self) -> list[Pursued]:
        """Look at everything that is pending now, without waiting for quiet.

        Raises:
            GoapError: The ledger cannot be used.
        """
        self.begin()
        looks: list[Pursued] = []
        # a run that finishes may prompt another goal: each goal gets its turn after every other
        for _ in self.goals:
            pursued = self.tick(patient=False)
            looks += pursued
            if not pursued:
                break
        return looks

    def tick(self, *, patient: bool = True) -> list[Pursued]:
        """Ask the sources, read what is new, and pursue the goals that are due.

        Args:
            patient: Wait for the debounce of each trigger.

        Raises:
            GoapError: The ledger cannot be used.
        """
        self._note_owed()
        for source in self.sources:
            self._poll(source)
        self._read()
        looks = []
        for goal in self.goals:
            if not self.stop.is_set() and self._due(goal.name, patient=patient):
                pursued = self._pursue(goal)
                looks += [pursued] if pursued is not None else []
        return looks

    def _poll(self, source: Source) -> None:
        """Ask a source; one that cannot look, as its repository is gone, keeps no other waiting."""
        name = source.source
        if self._troubles.resting(name):
            return
        try:
            source.poll(self.ledger, self.clock())
        except Exception as error:  # noqa: BLE001 - whatever the outside has in store
            self._troubles.met(name, error)
        else:
            self._troubles.over(name)

    def waiting(self) -> list[dict[str, str]]:
        """What is waited for: triggers with their goals, sources with their next moment."""
        triggers = [
            {"goal": goal.name, "trigger": str(trigger)}
            for goal in self.goals
            for trigger in goal.triggers
        ]
        now = self.clock()
        return triggers + [{"goal": "", "trigger": source.waiting(now)} for source in self.sources]

    def _say(self, line: str) -> None:
        self.told(line)

    def _now(self) -> datetime:
        return self.clock()

    def _names(self) -> list[str]:
        return [goal.name for goal in self.goals]

    def _read(self) -> None:
        past, names = self.ledger.past, self._names()
        if not self._marks:
            self._marks = {goal.name: self.ledger.marked(_mark_of(goal)) for goal in self.goals}
            self._seen = min(self._marks.values(), default=0)
        end = past.last
        prompting = {trigger.event for goal in self.goals for trigger in goal.triggers}
        settling = (TriggerHandled.kind, TriggerDeferred.kind)
        for event in past.of(*sorted({*prompting, *settling}), after=self._seen):
            if event.type == TriggerHandled.kind and isinstance(event.payload, TriggerHandled):
                self._forget(event.subject, event.payload.through)
            elif event.type == TriggerDeferred.kind and event.subject in names:
                pending = self._pending.setdefault(event.subject, _Pending())
                pending.deferrals += 1
            for goal in self.goals:
                if event.sequence > self._marks[goal.name]:
                    self._notice(goal, event)
            self._seen = event.sequence
        self._seen = max(self._seen, end)
        self._mark()

    def _mark(self) -> None:
        """Remember what need not be read again: before it, nothing waits for any goal."""
        for goal in self.goals:
            pending = self._pending.get(goal.name, _Pending()).events
            through = pending[0][0].sequence - 1 if pending else self._seen
            if through >= self._marks[goal.name] + MARK_EVERY:
                self.ledger.mark(_mark_of(goal), through)
                self._marks[goal.name] = through

    def _notice(self, goal: Goal, event: Event) -> None:
        if event.type == RunFinished.kind and event.subject == goal.name:
            return  # its own end is no news to it
        trigger = next((each for each in goal.triggers if each.matches(event)), None)
        if trigger is not None:
            self._pending.setdefault(goal.name, _Pending()).events.append((event, trigger))

    def _forget(self, goal: str, through: int) -> None:
        pending = self._pending.pop(goal, _Pending())
        left = [each for each in pending.events if each[0].sequence > through]
        if left:
            self._pending[goal] = _Pending(left)

    def _due(self, goal: str, *, patient: bool) -> bool:
        pending = self._pending.get(goal)
        if pending is None or not pending.events:
            return False
        if not patient:
            return True
        now = self.clock()
        # a clock that was set back leaves times behind that would be waited for too long
        if pending.put_off is not None and pending.put_off[0] <= now < pending.put_off[1]:
            return False
        quiet = max(trigger.debounce for _, trigger in pending.events)
        first, last = _time(pending.events[0][0]), _time(pending.events[-1][0])
        return now < first or now >= min(
            last + timedelta(seconds=quiet), first + timedelta(seconds=quiet * LONGEST_WAIT)
        )

    def _pursue(self, goal: Goal) -> Pursued | None:
        pending = self._pending[goal.name]
        events = [event for event, _ in pending.events]
        self.told(f"{goal.name}: {_described(pending.events)}")
        try:
            pursued = self.pursue(goal)
        except Locked as error:
            self.told(f"{goal.name} waits: {error.message}")
            self._put_off(pending, LOCKED_SECONDS)
            return Pursued(goal.name, len(events), error.code, error.exit_code, "", error.message)
        except Interrupted as error:
            if self.stop.is_set():
                return None  # the events stay pending for the next watcher
            # only this run was ended: whoever did that does not want it begun again at once
            pursued = Pursued(goal.name, 0, "cancelled", error.exit_code, "", error.message)
        pursued = replace(pursued, events=len(events))
        self._settle(pending, events, pursued)
        return pursued

    def _put_off(self, pending: _Pending, seconds: float) -> None:
        now = self.clock()
        pending.put_off = (now, now + timedelta(seconds=seconds))

    def _settle(self, pending: _Pending, events: list[Event], pursued: Pursued) -> None:
        again = pursued.exit_code == _TRANSIENT and pending.deferrals < MOST_DEFERRALS
        kind = TriggerDeferred if again else TriggerHandled
        settled = kind(
            through=events[-1].sequence,
            events=tuple(event.id for event in events[:MOST_IDS]),
            count=len(events),
            run=pursued.run,
            status=pursued.status,
            exit_code=pursued.exit_code,
        )
        if again:
            wait = FIRST_DEFERRAL_SECONDS * 2**pending.deferrals
            self._put_off(pending, wait)
            self.told(f"{pursued.goal}: {pursued.message}; again in {wait:g} s")
        else:
            self._forget(pursued.goal, events[-1].sequence)
        # where it cannot be written now, it is before the next look: nothing is done twice
        self._owed[pursued.goal] = new_event(settled, subject=pursued.goal, clock=self.clock)
        self._note_owed()

    def _note_owed(self) -> None:
        for goal, event in list(self._owed.items()):
            self.ledger.append(event)
            del self._owed[goal]
            payload = event.payload
            if event.type == TriggerHandled.kind and isinstance(payload, TriggerHandled):
                # said when it is durable: whoever reads it may kill us, and nothing is done twice
                self.told(f"{goal}: {payload.status}")


_TRANSIENT = 3


def _mark_of(goal: Goal) -> str:
    """What a goal's place in the ledger is known by: other triggers look from the start again."""
    triggers = "; ".join(map(str, goal.triggers))
    return f"watch {goal.name} {hashlib.sha256(triggers.encode()).hexdigest()[:16]}"


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event.time)


def _described(pending: Sequence[tuple[Event, Trigger]]) -> str:
    counts: Mapping[str, int] = {
        str(trigger): sum(1 for _, other in pending if other == trigger) for _, trigger in pending
    }
    return "; ".join(f"{count} x {text}" for text, count in counts.items())
