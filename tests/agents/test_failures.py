"""What a run remembers of its failures, so that it neither gives up early nor goes on for ever."""

import errno

from agents.declare.facts import UNKNOWN, Condition, Reading, WorldState
from agents.errors import ActionFailed, FailureClass
from agents.planning import AtLeast
from agents.run.failures import FailureMemory, StepFailure, classify

ROOM = Condition("free_mb", AtLeast(100.0))
READY = Condition("ready", value=True)


def world(**values):
    return WorldState({fact: Reading(value, "seen") for fact, value in values.items()})


def failure(action="train", **told):
    return StepFailure(action, action, ActionFailed("it broke", **told))


def test_a_number_that_moves_without_crossing_its_threshold_makes_no_failure_new():
    memory = FailureMemory()
    needs = {"train": [ROOM, READY]}
    before, after = world(free_mb=5000.0, ready=True), world(free_mb=4900.0, ready=True)
    memory.remember(failure(), before, after, needs["train"])
    assert memory.excluded(world(free_mb=4321.0, ready=True), needs) == ["train"]
    assert memory.excluded(world(free_mb=40.0, ready=True), needs) == []
    assert memory.excluded(world(free_mb=5000.0, ready=False), needs) == []


def test_a_failure_that_changed_what_its_action_needs_is_repaired_and_tried_again():
    memory = FailureMemory()
    needs = {"train": [READY]}
    memory.remember(failure(), world(ready=True), world(ready=False), needs["train"])
    assert memory.excluded(world(ready=False), needs) == []
    assert memory.excluded(world(ready=True), needs) == []


def test_a_passing_failure_that_stays_is_given_up_whatever_else_changes():
    memory = FailureMemory()
    told = {"failure_class": FailureClass.TRANSIENT}
    again = [
        memory.remember(failure(**told), world(ready=True), world(ready=False), [READY])
        for _ in range(3)
    ]
    assert again == [True, True, False]
    assert memory.excluded(world(ready=True), {"train": [READY]}) == ["train"]


def test_unknown_is_another_situation_than_false():
    memory = FailureMemory()
    needs = {"train": [READY]}
    memory.remember(failure(), world(ready=False), world(ready=False), needs["train"])
    assert memory.excluded(world(ready=UNKNOWN), needs) == []
    assert memory.excluded(world(ready=False), needs) == ["train"]


def test_the_newest_failure_is_the_last_one_also_when_its_action_failed_before():
    memory = FailureMemory()
    for action in ("train", "roll_back", "train"):
        memory.remember(failure(action), world(), world(), [])
    assert list(memory.last) == ["roll_back", "train"]


def test_a_full_disk_is_a_lack_of_resources_that_names_the_disk():
    error = classify(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert error.failure_class is FailureClass.RESOURCE
    assert error.name == "disk_full"
    assert "/data/x" in error.message
    assert error.fix


def test_what_succeeded_in_the_end_is_no_failure_any_more():
    memory = FailureMemory()
    memory.remember(failure("shop"), world(ready=False), world(ready=False), [READY])
    memory.succeeded("shop")
    assert not memory.last
    assert memory.excluded(world(ready=False), {"shop": [READY]}) == []
