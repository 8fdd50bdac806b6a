"""Every limit, forced: the answer stays honest and usable."""

import itertools
import random
import threading
from typing import Any

import pytest
from planning_problems import Problem, action, cheapest, simulate

from agents.planning import Limits, Status, plan


def hard(size: int = 10, seed: int = 1) -> Problem:
    """Jobs on one machine that must be set up differently for each: no bound sees the way."""
    rng = random.Random(seed)
    spots = [f"p{i}" for i in range(size)]
    catalogue = [
        action(f"go {a} {b}", {"at": a}, {"at": b}, rng.randint(3, 30))
        for a, b in itertools.permutations(spots, 2)
    ]
    catalogue += [action(f"do {a}", {"at": a}, {f"done {a}": True}, 1) for a in spots]
    return {"at": "p0"}, {**{f"done {a}": True for a in spots}, "at": "p0"}, catalogue


def ticking(step: float) -> Any:
    """A clock that advances by `step` each time it is read."""
    count = itertools.count()
    return lambda: next(count) * step


def test_expansions_stop_the_proof_but_not_the_plan() -> None:
    problem = hard()
    result = plan(*problem, limits=Limits(seconds=None, expansions=5))
    assert result.status is Status.BOUNDED
    assert result.stats.stopped_by == "expansions"
    assert result.stats.expanded <= 5
    assert 0 < result.lower_bound < result.cost
    assert result.gap == pytest.approx(1 - result.lower_bound / result.cost)
    assert simulate(problem, [step.action for step in result.steps])


def test_time_stops_the_search_with_the_plan_in_hand() -> None:
    result = plan(*hard(), limits=Limits(seconds=10, clock=ticking(0.01)))
    assert result.status is Status.BOUNDED
    assert result.stats.stopped_by == "time"
    assert result


def test_without_any_time_the_answer_is_limit_and_never_unreachable() -> None:
    result = plan(*hard(), limits=Limits(seconds=0))
    assert (result.status, bool(result), result.steps) == (Status.LIMIT, False, ())
    assert result.stats.stopped_by == "time"
    assert result.cost == float("inf")
    assert result.lower_bound == 0


def test_memory_stops_the_search() -> None:
    result = plan(*hard(), limits=Limits(seconds=None, states=20))
    assert result.status is Status.BOUNDED
    assert result.stats.stopped_by == "memory"


def test_cancelling_before_the_start_gives_limit() -> None:
    cancel = threading.Event()
    cancel.set()
    result = plan(*hard(), cancel=cancel)
    assert (result.status, result.stats.stopped_by) == (Status.LIMIT, "cancelled")


def test_cancelling_on_the_way_gives_the_plan_in_hand() -> None:
    cancel = threading.Event()
    reads = itertools.count()

    def clock() -> float:
        if next(reads) == 60:
            cancel.set()
        return 0.0

    result = plan(*hard(), limits=Limits(clock=clock), cancel=cancel)
    assert result.status is Status.BOUNDED
    assert result.stats.stopped_by == "cancelled"


def test_a_goal_that_is_out_of_reach_is_said_so_even_without_time() -> None:
    """Reachability without deletes takes no search, so no limit can stand in its way."""
    result = plan({}, {"x": True, "y": True}, [action("a", {}, {"x": True})], limits=Limits(0))
    assert result.status is Status.UNREACHABLE


def test_an_unlimited_search_ends_with_the_optimum() -> None:
    problem = hard(5)
    result = plan(*problem, limits=Limits(seconds=None))
    assert result.status is Status.OPTIMAL
    assert result.cost == cheapest(problem)


def test_a_longer_search_never_has_a_lower_bound_or_dearer_plan() -> None:
    problem = hard(7)
    results = [
        plan(*problem, limits=Limits(seconds=None, expansions=count)) for count in (0, 10, 100)
    ]
    bounds = [result.lower_bound for result in results]
    assert bounds == sorted(bounds)


def test_time_is_booked_to_the_stages_it_went_to() -> None:
    seconds = plan(*hard(5)).stats.seconds
    assert {"compile", "first plan", "lower bound", "short search"} <= seconds.keys()
    assert all(value >= 0 for value in seconds.values())
