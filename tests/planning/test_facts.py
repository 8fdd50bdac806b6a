"""Values, thresholds and the value that is not one."""

import copy
import math
import pickle

import pytest

from agents.errors import UsageError
from agents.planning import UNKNOWN, AtLeast, Below
from agents.planning.values import apply_effect, breaks, compatible, holds, value_after


def test_unknown_is_one_object_that_is_neither_true_nor_false() -> None:
    assert repr(UNKNOWN) == "UNKNOWN"
    assert pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN  # noqa: S301 - our own bytes
    assert copy.deepcopy({"x": UNKNOWN})["x"] is UNKNOWN
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(UNKNOWN)


@pytest.mark.parametrize("kind", [AtLeast, Below])
@pytest.mark.parametrize("bound", ["5", None, math.nan])
def test_a_threshold_is_a_number(kind: type, bound: object) -> None:
    with pytest.raises(UsageError, match="needs a number"):
        kind(bound)


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"),
    [
        (True, True, True),
        (False, False, True),
        (UNKNOWN, True, False),
        (UNKNOWN, False, False),
        (UNKNOWN, AtLeast(-math.inf), True),
        (5, AtLeast(5), True),
        (4.999, AtLeast(5), False),
        (5, Below(5), False),
        (2**53, Below(2**53 + 1), True),
        (2**53 + 1, Below(2**53 + 1), False),
        (math.nan, AtLeast(0), False),
        ("many", AtLeast(0), False),
        (None, Below(0), False),
        (AtLeast(6), AtLeast(5), True),
        (AtLeast(6), Below(10), False),
        (Below(3), Below(5), True),
    ],
)
def test_a_value_satisfies_a_condition_or_not(
    actual: object, wanted: object, expected: bool
) -> None:
    assert holds(actual, wanted) is expected


@pytest.mark.parametrize(
    ("before", "effect", "after"),
    [
        (3, AtLeast(5), 5),
        (8, AtLeast(5), 8),
        (8, Below(5), math.nextafter(5, 0)),
        (3, Below(5), 3),
        (UNKNOWN, AtLeast(5), AtLeast(5)),
        (AtLeast(5), AtLeast(3), AtLeast(5)),
        (AtLeast(8), Below(5), math.nextafter(5, 0)),
        (Below(3), AtLeast(5), 5),
        (UNKNOWN, Below(5), Below(5)),
        (3, 9, 9),
        (3, UNKNOWN, UNKNOWN),
    ],
)
def test_an_effect_changes_as_little_as_it_can(
    before: object, effect: object, after: object
) -> None:
    assert value_after(before, effect) == after


def test_of_a_number_raised_and_lowered_both_bounds_are_known() -> None:
    world = apply_effect(apply_effect({"n": UNKNOWN}, [("n", AtLeast(2))]), [("n", Below(8))])
    assert holds(world["n"], AtLeast(2))
    assert holds(world["n"], Below(8))
    assert not holds(world["n"], AtLeast(3))
    assert value_after(world["n"], AtLeast(1)) == world["n"]


@pytest.mark.parametrize("effect", [AtLeast(5), Below(5), 4, 5, 6, UNKNOWN, True])
@pytest.mark.parametrize("wanted", [AtLeast(4), AtLeast(5), AtLeast(6), Below(5), Below(6), 4, 5])
@pytest.mark.parametrize("before", [0, 4, 5, 6, 9])
def test_what_holds_after_an_effect_is_what_was_not_broken(
    before: object, effect: object, wanted: object
) -> None:
    after = value_after(before, effect)
    if holds(before, wanted) and not breaks(effect, wanted):
        assert holds(after, wanted)
    if not holds(before, wanted) and holds(effect, wanted):
        assert holds(after, wanted)


def test_conditions_on_one_fact_may_or_may_not_go_together() -> None:
    assert compatible(AtLeast(3), Below(5))
    assert not compatible(Below(3), AtLeast(3))
    assert compatible(AtLeast(3), 3)
    assert not compatible(Below(3), 3)
    assert not compatible("a", "b")
