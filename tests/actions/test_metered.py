"""What is paid by time is booked as its meter shows: whoever launched it, whatever happened.

A cloud is simulated that counts the seconds of its containers itself. Launchers on two machines,
each with a ledger and a clock of its own, start, follow, lose and find again the same training.
"""

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from actions.metering import rest_of
from agents.declare.actions import Estimate, Grounded, Meter, Range
from agents.errors import NotApproved
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import MoneySettled, Payload
from agents.ledger.projections.accounts import accounts_of
from agents.money.purse import Purse

KEY = "training 1"
USD_PER_SECOND = 0.01
RATE = Range(USD_PER_SECOND, USD_PER_SECOND, USD_PER_SECOND)
HEARTBEAT, CHECKPOINT, BOOT = 30.0, 20.0, 7.0
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Container:
    """Hardware that a call has; `written` is what it told its account."""

    limit: float
    used: float = 0.0
    written: float = 0.0


@dataclass
class Cloud:
    """Carries one training in calls; a call waits for its turn, runs, and may be restarted.

    A deaf one does not end by itself when its money is used up: whoever follows has to.
    """

    work: float
    queue: float = 0.0
    deaf: bool = False
    time: float = 0.0
    saved: float = 0.0
    done: float = 0.0
    waits: float | None = None
    running: Container | None = None
    deadline: float = 0.0
    allowed: float = 0.0
    ended: list[Container] = field(default_factory=list)
    of_call: list[Container] = field(default_factory=list)

    @property
    def containers(self) -> list[Container]:
        return self.ended + ([self.running] if self.running else [])

    @property
    def used(self) -> float:
        """Seconds of hardware: the truth."""
        return sum(each.used for each in self.containers)

    @property
    def has_call(self) -> bool:
        return self.waits is not None or self.running is not None

    @property
    def is_finished(self) -> bool:
        return self.done >= self.work

    def meter(self) -> Meter:
        seconds = sum(each.written for each in self.containers)
        rest = None
        if self.done >= 1:
            running = self.running is not None
            rest = rest_of(seconds, self.done, self.work - self.saved, running=running)
        usd = Range(*(each * seconds for each in RATE))
        return Meter(seconds, usd, running=self.running is not None, rest=rest)

    def launch(self, deadline: float, cap: float) -> None:
        self.waits, self.deadline, self.of_call = self.queue, deadline, []
        self.allowed = max(self.allowed, cap)

    def advance(self, seconds: float) -> None:
        while seconds > 0:
            step = min(1.0, seconds)
            seconds -= step
            self.time += step
            self._pass(step)

    def _pass(self, step: float) -> None:
        if self.waits is not None:
            self.waits -= step
            if self.waits > 0:
                return
            self.waits = None
            self._start()
        if self.running is None:
            return
        self.running.used += step
        if self.running.used >= BOOT:
            self.done += step
        if self.done - self.saved >= CHECKPOINT:
            self.saved = self.done
        if self.running.used - self.running.written >= HEARTBEAT:
            self.running.written = self.running.used
        if self.is_finished or self.running.used >= self.running.limit:
            self.end()

    def _start(self) -> None:
        # it reads the account first: others of its call used some of the time
        before = sum(each.written for each in self.of_call)
        limit = math.inf if self.deaf else max(0.0, self.deadline - before)
        self.running = Container(limit)
        self.of_call.append(self.running)
        self.done = self.saved

    def end(self) -> None:
        """It saves, writes its last line, and ends."""
        if self.running is not None:
            self.running.written, self.saved = self.running.used, self.done
            self.ended.append(self.running)
        self.running = self.waits = None

    def kill(self) -> None:
        """It is gone at once, and the same call has another container."""
        if self.running is not None:
            self.ended.append(self.running)
            self.running, self.waits = None, self.queue


@dataclass
class Machine:
    """Where somebody launches from: a ledger, a clock that may be wrong, and a cap."""

    cloud: Cloud
    offset: float = 0.0
    events: list[Event] = field(default_factory=list)
    refusal: NotApproved | None = None

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.cloud.time + self.offset)

    def record(self, subject: str, payload: Payload) -> None:
        self.events.append(new_event(payload, run="run", subject=subject, clock=self.now))

    def purse(self, cap: float | None) -> Purse:
        """What a run of today knows; it reads the meter, as every run and plan does first."""
        purse = Purse(cap, self.record, self.now, "goal", accounts_of(self.events))
        purse.reads("train", KEY, self.cloud.meter(), RATE)
        return purse

    def grounded(self) -> Grounded:
        rest = self.cloud.meter().rest or Range(10.0, 30.0, 90.0)
        usd = Range(*(USD_PER_SECOND * each for each in rest))
        return Grounded(
            "train", (), (), rest.expected, 0.0, {}, priced=False, basis="cloud",
            estimate=Estimate(rest, usd, RATE, rest.expected),
        )  # fmt: skip

    def follow(self, cap: float, polls: Iterator[float], *, killed: bool = False) -> bool:
        """One run: to the end of the call, of the money, or of the polls; whether it is trained."""
        self.refusal = None
        while not self.cloud.is_finished:
            purse, grounded = self.purse(cap), self.grounded()
            try:
                purse.reserve("train", grounded, KEY, [grounded])
            except NotApproved as error:
                self.refusal = error
                return False
            attached = self.cloud.has_call
            if not attached:
                self.cloud.launch(purse.paid_seconds(grounded) or 0.0, cap)
            ended = self._watch(purse, grounded, polls, attached=attached)
            if killed and not ended:
                return False
            purse.settle("train", grounded, self.cloud.meter())
            if not ended or self.refusal is not None:
                return False
        return True

    def _watch(
        self, purse: Purse, grounded: Grounded, polls: Iterator[float], *, attached: bool
    ) -> bool:
        for seconds in polls:
            self.cloud.advance(seconds)
            purse.tells("train", self.cloud.meter())
            if not self.cloud.has_call:
                return True
            try:
                purse.cover("train", grounded, [])
            except NotApproved as error:
                self.refusal = error
                if not attached:
                    self.cloud.end()
                return True
        return False

    def advice(self) -> float:
        assert self.refusal is not None
        found = re.search(r"max_cost=([0-9.]+)", self.refusal.fix)
        assert found is not None, self.refusal.fix
        return float(found[1])

    def booked(self) -> float:
        paid = [each.payload for each in self.events]
        return sum(each.usd or 0.0 for each in paid if isinstance(each, MoneySettled))


def polls(chance: random.Random, most: int) -> Iterator[float]:
    for _ in range(chance.randrange(1, most)):
        yield chance.choice([0.0, 1.0, 5.0, 15.0, 45.0])


def happens(
    chance: random.Random, cloud: Cloud, machines: list[Machine], caps: list[float]
) -> None:
    """One thing that may happen at any time."""
    machine, cap = chance.choice(machines), chance.choice(caps)
    match chance.choice(["run", "run", "engine killed", "preempted", "idle", "clock", "queue"]):
        case "run":
            machine.follow(cap, polls(chance, 40))
        case "engine killed":
            machine.follow(cap, polls(chance, 10), killed=True)
        case "preempted":
            cloud.kill()
        case "idle":
            cloud.advance(chance.choice([1.0, 20.0, 300.0]))
        case "clock":
            machine.offset += chance.choice([-7200.0, -60.0, 60.0, 86_400.0])
        case "queue":
            cloud.queue = chance.choice([0.0, 5.0, 900.0])


@pytest.mark.parametrize("seed", range(150))
def test_whatever_happens_what_is_booked_is_what_was_used_and_no_cap_is_passed(seed: int) -> None:
    chance = random.Random(seed)
    cloud = Cloud(work=chance.choice([90.0, 800.0, 5000.0]), queue=chance.choice([0.0, 120.0]))
    machines = [Machine(cloud), Machine(cloud, offset=3600.0)]
    caps = [chance.choice([1.0, 2.0, 3.0]), chance.choice([3.0, 5.0, 12.0])]
    for _ in range(chance.randrange(5, 25)):
        happens(chance, cloud, machines, caps)
        a_heartbeat_each = USD_PER_SECOND * HEARTBEAT * len(cloud.containers)
        assert cloud.used * USD_PER_SECOND <= cloud.allowed + a_heartbeat_each
    cloud.advance(10_000.0)
    lost = USD_PER_SECOND * HEARTBEAT * len(cloud.ended)
    truth = cloud.used * USD_PER_SECOND
    for machine in machines:
        assert machine.purse(None).spent == pytest.approx(truth, abs=lost + 1e-6)
        assert machine.booked() <= truth + 1e-6


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_the_advice_of_a_refusal_suffices(seed: int, *, deaf: bool) -> None:
    chance = random.Random(seed)
    work, queue = chance.choice([300.0, 700.0, 3000.0]), chance.choice([0.0, 600.0])
    cloud = Cloud(work, queue, deaf)
    machine = Machine(cloud)
    often = iter(lambda: chance.choice([1.0, 5.0, 15.0]), None)
    # before anything was measured a price is a guess; whoever follows it gets a measured one
    cap = 1.0
    while cloud.done < 50:
        assert not machine.follow(cap, often)
        assert cap < machine.advice(), machine.refusal
        cap = machine.advice()
    assert machine.follow(cap, often), machine.refusal
    assert cloud.used * USD_PER_SECOND <= cap
    assert machine.booked() == pytest.approx(cloud.used * USD_PER_SECOND)


def test_a_training_that_waits_for_its_turn_costs_nothing() -> None:
    cloud = Cloud(work=100.0, queue=7200.0)
    machine = Machine(cloud)
    assert machine.follow(10.0, iter([3600.0])) is False
    assert machine.refusal is None
    assert machine.booked() == 0.0
    assert machine.purse(10.0).spent == 0.0


def test_what_went_on_alone_is_booked_by_whoever_left_it_and_by_nobody_else() -> None:
    cloud = Cloud(work=1000.0)
    left, other = Machine(cloud), Machine(cloud)
    left.follow(50.0, iter([100.0]))
    before = left.booked()
    cloud.advance(5000.0)
    assert other.purse(50.0).spent == left.purse(50.0).spent == pytest.approx(cloud.used * 0.01)
    assert before < left.booked() == pytest.approx(cloud.used * 0.01)
    assert other.booked() == 0.0


def test_a_follower_over_its_cap_leaves_and_ends_nothing() -> None:
    cloud = Cloud(work=1000.0)
    Machine(cloud).follow(50.0, iter([50.0]), killed=True)
    follower = Machine(cloud)
    assert follower.follow(2.0, iter([30.0] * 50)) is False
    assert follower.refusal is not None
    assert cloud.running is not None
    cloud.advance(5000.0)
    assert cloud.is_finished


def test_what_cannot_be_seen_at_the_end_of_a_step_is_booked_by_the_next_look() -> None:
    cloud = Cloud(work=1000.0)
    machine = Machine(cloud)
    purse, grounded = machine.purse(50.0), machine.grounded()
    purse.reserve("train", grounded, KEY, [grounded])
    cloud.launch(5000.0, 50.0)
    cloud.advance(200.0)
    purse.settle("train", grounded, None)
    assert machine.booked() == 0.0
    machine.purse(50.0)
    assert machine.booked() == pytest.approx(1.8, abs=0.3)


def test_money_is_gone_also_where_the_volume_that_counted_it_was_emptied() -> None:
    cloud = Cloud(work=100.0)
    machine = Machine(cloud)
    assert machine.follow(50.0, iter([10.0] * 50))
    paid = machine.booked()
    machine.cloud = cloud = Cloud(work=100.0)
    assert machine.purse(50.0).spent == pytest.approx(paid)
    assert machine.follow(50.0, iter([10.0] * 50))
    assert machine.purse(50.0).spent == pytest.approx(2 * paid) == machine.booked()


def test_machines_that_run_on_since_they_were_seen_are_all_paid_for() -> None:
    now, rest = [BEGAN], Range(100.0, 100.0, 100.0)
    usd = rest.times(USD_PER_SECOND)
    grounded = Grounded(
        "train", (), (), 25.0, 0.0, {}, priced=False, basis="cloud", machines=4,
        estimate=Estimate(rest, usd, RATE, 25.0),
    )  # fmt: skip
    purse = Purse(1.2, lambda *_: None, lambda: now[0], "goal")
    purse.reads("train", KEY, Meter(machines=4, running=True), RATE)
    purse.reserve("train", grounded, KEY, [grounded])
    before = purse.paid_seconds(grounded)
    assert before is not None
    now[0] += timedelta(seconds=20)
    assert purse.paid_seconds(grounded) == pytest.approx(before - 80.0)
    purse.cover("train", grounded, [])
    now[0] += timedelta(seconds=10)
    with pytest.raises(NotApproved):
        purse.cover("train", grounded, [])
