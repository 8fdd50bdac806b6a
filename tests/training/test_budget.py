"""Budgets of a day and a month: launchers that come at once never spend the same dollars twice."""

import json
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actions.ports import limits_of
from training.compute.reservations import Asked, Budget, Granted, Reservation, State
from training.compute.spending import Limits, Spent, accounts_of, period_of, within
from training.errors import BudgetUsedUp
from training.runner.account import Use, total_seconds
from training.store.volume import LocalVolume

NOON = datetime(2026, 2, 27, 12, tzinfo=UTC)
DAY = 86_400.0
RATE = 3600.0
"""A dollar a second."""


@dataclass
class Call:
    """A call as the platform and its own account know it."""

    key: str
    deadline: float
    began: float | None = None
    used: float = 0.0
    over: bool = False


@dataclass
class Cloud:
    """What launchers share: slots that are written once, calls, accounts, and a clock.

    Whoever asks it waits for his turn, so that a test says in which order everybody is answered.
    """

    now: float = NOON.timestamp()
    turn: Callable[[], None] = lambda: None
    slots: dict[int, Reservation | None] = field(default_factory=dict)
    given_back: set[int] = field(default_factory=set)
    calls: dict[int, Call] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    late: list[tuple[int, Granted]] = field(default_factory=list)

    def read(self) -> dict[int, Reservation | None]:
        self.turn()
        return {
            name: None if name in self.given_back else each for name, each in self.slots.items()
        }

    def take(self, number: int, value: dict[str, object]) -> bool:
        self.turn()
        if number in self.slots:
            return False
        self.slots[number] = Reservation(**value)  # type: ignore[arg-type]
        return True

    def state_of(self, number: int, reservation: Reservation) -> State:
        self.turn()
        call = self.calls.get(reservation.claim)
        if call is not None:
            return State(call.over, str(reservation.claim))
        if reservation.claim not in self.dead:
            return State(over=False)
        self.given_back.add(number)
        return State(over=True)

    def give_back(self, number: int) -> bool:
        self.turn()
        self.given_back.add(number)
        return True

    def settle(self, number: int) -> None:
        self.turn()
        self.slots[number] = None

    def accounts(self, _since: float) -> list[Spent]:
        self.turn()
        uses: dict[str, list[Use]] = {}
        for name, call in self.calls.items():
            if call.began is not None:
                rate = (RATE, RATE, RATE)
                use = Use(1, str(name), "running", "", "", call.began, call.used, rate)
                uses.setdefault(call.key, []).append(use)
        return [Spent(key, tuple(each)) for key, each in uses.items()]

    def budget(self, limits: Limits) -> Budget:
        return Budget(limits, self, self.accounts, lambda: self.now)

    def spawn(self, claim: int, granted: Granted) -> bool:
        """Make a call; False where what was set aside for it was given back meanwhile."""
        assert granted.slot is not None
        assert granted.deadline is not None
        if granted.slot in self.given_back:
            return False
        self.calls[claim] = Call(f"key{claim % 3}", granted.deadline)
        return True

    def passes(self, seconds: float) -> None:
        """Time passes: what runs uses hardware, up to its deadline."""
        self.now += seconds
        for call in self.calls.values():
            if call.began is not None and not call.over:
                call.used = min(call.deadline, call.used + seconds)
                call.over = call.used >= call.deadline

    def used_on(self, kind: str, at: float) -> float:
        period = period_of(kind, datetime.fromtimestamp(at, UTC))
        return sum(each.within(period).seconds for each in Cloud.accounts(self, 0.0))


def asked(claim: int, deadline: float | None = None, likely: float | None = None) -> Asked:
    return Asked(f"key{claim % 3}", claim, deadline, DAY, likely, RATE)


def limits(day: float | None = None, month: float | None = None) -> Limits:
    return Limits(day, month, source="pyproject.toml", bill="goap bill")


def test_what_is_left_is_the_time_that_a_container_gets():
    budget = Cloud().budget(limits(day=1050))
    granted = budget.grant(asked(1))
    assert granted == Granted(0, 1020.0, granted.warning)
    with pytest.raises(BudgetUsedUp) as refused:
        budget.grant(asked(2))
    assert "the budget of 2026-02-27 (UTC) is used up: $0.00 used and $1050.00 set aside" in str(
        refused.value
    )
    assert refused.value.fix.startswith("goap bill day=2026-02-27 shows what used it; wait until")
    assert "raise usd_per_day in pyproject.toml" in refused.value.fix


def test_the_smaller_of_cap_and_budget_is_the_deadline():
    granted = Cloud().budget(limits(day=5000, month=800)).grant(asked(1, deadline=500))
    assert granted.deadline == 500
    granted = Cloud().budget(limits(day=5000, month=410)).grant(asked(1, deadline=500))
    assert granted.deadline == 390.47619047619047


def test_no_more_is_set_aside_than_a_training_takes_so_that_others_fit_beside_it():
    budget = Cloud().budget(limits(day=10_000))
    deadlines = [budget.grant(asked(n, likely=3000)).deadline for n in range(3)]
    assert deadlines == [3000, 3000, 3000]
    assert budget.grant(asked(4, likely=3000)).deadline == 880


def test_from_eighty_percent_on_who_launches_is_warned():
    cloud = Cloud()
    budget = cloud.budget(limits(day=1000))
    assert budget.grant(asked(1, deadline=700)).warning == ""
    said = budget.grant(asked(2, deadline=100)).warning
    assert said == (
        "84% of the budget of 2026-02-27 (UTC) is used or set aside: $835.00 of $1000.00; "
        "goap bill day=2026-02-27"
    )


def test_what_a_call_did_not_use_is_free_again_when_it_is_over():
    cloud = Cloud()
    budget = cloud.budget(limits(day=1000))
    assert cloud.spawn(1, budget.grant(asked(1, deadline=900)))
    cloud.calls[1].began = cloud.now
    cloud.passes(100)
    assert budget.grant(asked(2, deadline=900)).deadline == pytest.approx(70 / 1.05)
    cloud.dead.add(2)
    cloud.calls[1].over = True
    granted = budget.grant(asked(3))
    assert granted.deadline == 870  # 100 of 1000 are used, 30 are for stopping
    assert cloud.slots[0] is None


def test_a_killed_launcher_leaves_a_reservation_that_the_next_one_gives_back():
    cloud = Cloud()
    budget = cloud.budget(limits(month=1000))
    late = budget.grant(asked(1))
    with pytest.raises(BudgetUsedUp, match="2026-02"):
        budget.grant(asked(2))
    cloud.dead.add(1)
    assert budget.grant(asked(3)).deadline == 970
    assert not cloud.spawn(1, late)  # its request arrives all the same, and finds nothing


def test_what_was_set_aside_for_a_call_that_was_refused_is_free_at_once():
    cloud = Cloud()
    budget = cloud.budget(limits(day=150))
    refused = budget.grant(asked(0, 100))
    with pytest.raises(BudgetUsedUp):
        budget.grant(asked(1, 140))
    budget.give_back(refused)
    budget.give_back(Granted(None, None))
    assert budget.grant(asked(1, 140)).deadline == 140
    assert not cloud.spawn(0, refused)


def test_what_runs_over_midnight_is_set_aside_on_both_days_and_used_on_its_own():
    cloud = Cloud(now=(NOON + timedelta(hours=11, minutes=50)).timestamp())
    budget = cloud.budget(limits(day=2000))
    assert cloud.spawn(1, budget.grant(asked(1, deadline=1500)))
    cloud.calls[1].began = cloud.now
    cloud.passes(1000)
    assert cloud.used_on("day", NOON.timestamp()) == 600
    assert cloud.used_on("day", cloud.now) == 400
    # of the new day 400 are used, and what is left of the reservation may be used on it
    granted = budget.grant(asked(2))
    assert granted.deadline == 2000 - 400 - 530 - 30


def test_who_has_no_budget_writes_down_what_he_may_use_for_those_who_have_one():
    cloud = Cloud()
    free = cloud.budget(Limits()).grant(asked(1, deadline=500))
    assert free == Granted(0, 500)
    assert cloud.budget(limits(day=1000)).grant(asked(2)).deadline == pytest.approx(500 / 1.05)


def test_where_nobody_knows_a_price_no_budget_can_be_kept_except_in_a_rehearsal():
    unpriced = Asked("key", 1, None, DAY)
    with pytest.raises(BudgetUsedUp, match="is unknown") as refused:
        Cloud().budget(limits(day=5)).grant(unpriced)
    assert (refused.value.code, refused.value.failure_class) == ("price_unknown", "permanent")
    assert Cloud().budget(Limits(5, free=True)).grant(unpriced) == Granted(None, None)
    assert Cloud().budget(Limits()).grant(unpriced) == Granted(None, None)


@pytest.mark.parametrize("seed", range(30))
def test_in_whatever_order_launchers_are_answered_never_more_is_spent_than_the_budget(seed: int):
    """Several launchers at once, of which some die; calls that wait, run, end early, or overnight.

    At every moment: what was used on the day and in the month, with all that calls may still use,
    is no more than the budget.
    """
    draw = random.Random(seed)
    bounds = limits(day=draw.choice([900, 2000, 5000]), month=draw.choice([1500, 6000, 9000]))
    cloud = Cloud(now=(NOON + timedelta(days=draw.randint(0, 1), hours=11)).timestamp())
    claims = iter(range(1, 1000))
    for _ in range(6):
        launched = [next(claims) for _ in range(draw.randint(1, 4))]
        _at_once(cloud, draw, bounds, launched)
        check(cloud, bounds)
        for _ in range(draw.randint(0, 6)):
            something_happens(cloud, draw)
            check(cloud, bounds)
    spent = cloud.used_on("month", cloud.now)
    assert spent <= (bounds.usd_per_month or 0)


def check(cloud: Cloud, bounds: Limits) -> None:
    may_use = sum(call.deadline - call.used for call in cloud.calls.values() if not call.over)
    for kind in ("day", "month"):
        limit = bounds.of(kind)
        assert limit is not None
        assert cloud.used_on(kind, cloud.now) + may_use <= limit + 1e-6


def something_happens(cloud: Cloud, draw: random.Random) -> None:
    running = [call for call in cloud.calls.values() if not call.over]
    match draw.randint(0, 3):
        case 0 if running:
            call = draw.choice(running)
            call.began = cloud.now if call.began is None else call.began
        case 1 if running:
            draw.choice(running).over = True
        case 2 if cloud.late:
            cloud.spawn(*cloud.late.pop())  # what a killed launcher had sent arrives
        case _:
            cloud.passes(draw.choice([10, 300, 3000, 30_000]))


def _at_once(cloud: Cloud, draw: random.Random, bounds: Limits, launched: list[int]) -> None:
    """Launchers in threads, answered one at a time in a drawn order; each may die at any answer."""
    rounds = _Rounds(draw, len(launched))
    cloud.turn = rounds.wait

    def launch(claim: int, deaths: int | None, deadline: float | None) -> None:
        rounds.begin(deaths)
        granted = None
        try:
            granted = cloud.budget(bounds).grant(asked(claim, deadline))
            rounds.wait()
            cloud.spawn(claim, granted)
        except (BudgetUsedUp, _Killed):
            cloud.dead.add(claim)
            if granted is not None:
                cloud.late.append((claim, granted))
        finally:
            rounds.end()

    with ExitStack() as stack:
        for claim in launched:
            deaths = draw.choice([None, None, draw.randint(1, 8)])
            deadline = draw.choice([None, 100.0, 700.0])
            words = (claim, deaths, deadline)
            thread = threading.Thread(target=launch, name=str(claim), args=words)
            thread.start()
            stack.callback(thread.join)
        rounds.run()
    cloud.turn = lambda: None


class _Killed(Exception):
    """A launcher is killed here."""


def _me() -> int:
    return int(threading.current_thread().name)


class _Rounds:
    """Lets one of several threads go on at a time, as drawn."""

    def __init__(self, draw: random.Random, count: int) -> None:
        self._draw, self._count = draw, count
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._next: int | None = None
        self._lives: dict[int, int | None] = {}
        self._over = 0

    def begin(self, answers: int | None) -> None:
        self._lives[_me()] = answers

    def wait(self) -> None:
        me = _me()
        with self._changed:
            self._waiting.append(me)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next == me)
            self._next = None
        lives = self._lives[me]
        if lives is not None:
            self._lives[me] = lives - 1
            if lives <= 0:
                raise _Killed

    def end(self) -> None:
        with self._changed:
            self._over += 1
            self._changed.notify_all()

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._next is None and len(self._waiting) + self._over == self._count
                )
                if not self._waiting:
                    return
                self._waiting.sort()
                self._next = self._waiting.pop(self._draw.randrange(len(self._waiting)))
                self._changed.notify_all()


def test_a_use_is_split_at_midnight_and_each_attempt_counts_once():
    day = period_of("day", NOON)
    began = day.end - 100
    lines = [Use(1, "fc", "running", "", "", began, seconds) for seconds in (30.0, 60.0, 400.0)]
    assert total_seconds(within(lines, day)) == 100
    assert total_seconds(within(lines, period_of("day", NOON + timedelta(days=1)))) == 300


def test_what_a_deleted_training_used_is_used(tmp_path: Path):
    volume = LocalVolume(tmp_path)
    line = {"attempt": 1, "call": "fc", "state": "ended", "gpu": "", "device": "", "began": 5.0}
    rated = {**line, "seconds": 10.0, "usd_per_hour": [360.0, 720.0, 1080.0]}
    volume.write_bytes("trainings/aa/account.jsonl", f"{json.dumps(rated)}\n".encode())
    volume.write_bytes("accounts/bb.jsonl", f"{json.dumps({**line, 'seconds': 7.0})}\n".encode())
    volume.write_bytes("trainings/aa/deep/er/account.jsonl", b"not one of a training\n")
    found = accounts_of(volume)
    assert [(each.key, each.seconds, each.usd) for each in found] == [
        ("aa", 10.0, (1.0, 2.0, 3.0)),
        ("bb", 7.0, None),
    ]
    assert [each.at_most(3600.0) for each in found] == [3.0, 7.0]


def test_each_limit_is_that_of_the_nearest_project_that_has_one(tmp_path: Path):
    job = tmp_path / "jobs" / "cats"
    job.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.goap]\nusd_per_day = 50\nusd_per_month = 400.5\n", encoding="utf-8"
    )
    (job / "pyproject.toml").write_text("[tool.goap]\nusd_per_day = 5\n", encoding="utf-8")
    found = limits_of("volume", "modal", job)
    assert (found.usd_per_day, found.usd_per_month, found.free) == (5.0, 400.5, False)
    both = f"{job / 'pyproject.toml'} and {tmp_path / 'pyproject.toml'}"
    assert found.source == both
    assert found.bill.endswith("bill compute=modal volume=volume")
    assert not limits_of("volume", "modal", Path("/"))
