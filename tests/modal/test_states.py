"""What a call does before its training shows a sign of life; and that none dies for ever.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

from collections.abc import Iterator

import pytest
from conftest import until
from scripts import Script, Scripts, exact
from test_any_training import prove

from training.compute.modal.container import MOST_STARTS
from training.compute.modal.states import MOST_SILENT
from training.compute.port import TrainingStatus
from training.compute.recipe import Hardware
from training.errors import ImageError

slow = pytest.mark.slow
pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]

HELD = 10_000.0
"""Seconds after which nobody waits any more."""

DIES = """
import os, signal
from pathlib import Path
above = os.getppid()
while b"_container_entrypoint" not in Path(f"/proc/{above}/cmdline").read_bytes():
    above = int(Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
os.kill(above, signal.SIGKILL)
"""
"""A script that takes the container with it before it made a step, as a lack of memory does."""


@pytest.fixture
def calm(scripts: Scripts) -> Iterator[Scripts]:
    """The platform as it is by default again after the test."""
    yield scripts
    scripts.plane.do("limits", queue=0, starts=0, own_cancel=True)
    scripts.plane.do("clear")


def seen(script: Script, state: str) -> TrainingStatus:
    """The first look that sees a state."""
    found: list[TrainingStatus] = []

    def looked() -> bool:
        found.append(script.status)
        return found[-1].state == state

    until(looked, 60)
    return found[-1]


@slow
def test_a_call_waits_for_its_gpu_starts_and_runs_and_each_is_seen(calm: Scripts) -> None:
    calm.plane.do("limits", queue=HELD)
    steps = {"steps": 40, "nap": 0.05}
    script = calm.make("states", settings=steps, hardware=Hardware(gpu=("A10G",)))
    script.start()
    queued = script.status
    assert (queued.state, queued.waits_for, queued.at_work) == ("queued", "A10G", True)
    assert queued.words.startswith("waits for an A10G since ")
    assert queued.since is not None
    assert 0 <= queued.since < 60
    calm.plane.do("limits", queue=0)
    assert seen(script, "running").words == "is running"
    assert script.follow() == "completed"
    assert script.ending.numbers["state"] == exact(40)


def test_a_call_that_waits_longer_than_it_may_is_cancelled_and_costs_nothing(
    calm: Scripts,
) -> None:
    calm.plane.do("limits", queue=HELD)
    hardware = Hardware(gpu=("H100",), queue_timeout=0.5)
    script = calm.make("waits", hardware=hardware)
    before = calm.plane.do("state")["containers_started"]
    call = script.start()
    failure = until(lambda: script.status.failure)
    assert (failure.name, "for H100" in failure.message) == ("queue_timeout", True)
    assert "it cost nothing" in failure.message
    assert script.uses == []
    (found,) = [each for each in calm.calls if each["call"] == call]
    assert found["state"] == "done"
    assert calm.plane.do("state")["containers_started"] == before
    # who looks later, and from elsewhere, hears the same
    later = calm.__class__(calm.plane, calm.python, calm.place).compute.status(script.key)
    assert (later.at_work, later.failure) == (False, failure)


@slow
@pytest.mark.parametrize("own_cancel", [True, False])
def test_a_container_that_dies_for_ever_ends_its_call_with_nobody_there_to_see_it(
    calm: Scripts, own_cancel: bool
) -> None:
    calm.plane.do("limits", own_cancel=own_cancel)
    script = calm.make(f"dies-{own_cancel}", DIES)
    call = script.start()

    def over() -> bool:
        (found,) = [each for each in calm.calls if each["call"] == call]
        return found["state"] == "done"

    until(over)  # nothing of ours looks at it meanwhile
    (found,) = [each for each in calm.calls if each["call"] == call]
    assert (found["starts"], found["retries"]) == (MOST_STARTS + 1, 0)
    failure = script.status.failure
    assert failure is not None
    assert (failure.name, str(failure.failure_class)) == ("crash_loop", "permanent")
    assert f"died {MOST_STARTS} times without a new checkpoint or a sign of life" in failure.message
    assert failure.message.endswith("| Starting at step 0 of 30")  # its last words
    assert script.status.failure == failure
    if own_cancel:
        return
    # whoever launches it again has one container to show that something helped
    again = script.start()
    until(lambda: not script.status.at_work)
    (found,) = [each for each in calm.calls if each["call"] == again]
    assert found["starts"] == 2
    said = f"was started {MOST_STARTS + 1} times and never showed a sign of life"
    assert said in str(script.status.failure)


@slow
def test_a_container_that_dies_is_seen_as_crashing_before_it_is_given_up(calm: Scripts) -> None:
    script = calm.make("crashing", DIES)
    script.start()
    status = seen(script, "crashing")
    assert status.starts >= 2
    assert f"started {status.starts} times without a sign of life" in status.words
    script.follow()


@slow
def test_a_container_that_lacks_a_module_of_ours_says_so_and_starts_once(calm: Scripts) -> None:
    calm.plane.do("unmount", name="training/runner/__init__.py")
    calm.plane.do("unmount", name="training/compute/modal/entering.py")
    script = calm.make("lacks")
    call = script.start()
    script.follow()
    failure = script.status.failure
    assert failure is not None
    assert "No module named 'training.compute.modal.entering'" in failure.message
    (found,) = [each for each in calm.calls if each["call"] == call]
    assert (found["starts"], found["retries"]) == (1, 0)


@slow
def test_a_container_that_dies_before_it_can_say_anything_is_stopped_by_the_next_look(
    calm: Scripts,
) -> None:
    calm.plane.do("unmount", name="training/compute/modal/container.py")
    script = calm.make("mute")
    call = script.start()
    script.follow()
    failure = script.status.failure
    assert failure is not None
    assert (failure.name, str(failure.failure_class)) == ("crash_loop", "permanent")
    assert "\n  | ModuleNotFoundError: No module named" in failure.message
    (found,) = until(
        lambda: [each for each in calm.calls if each["call"] == call and each["state"] == "done"]
    )
    assert found["starts"] >= MOST_SILENT
    assert script.uses == []


@slow
def test_a_proof_whose_container_dies_before_it_can_say_anything_ends(calm: Scripts) -> None:
    calm.plane.do("unmount", name="training/compute/modal/container.py")
    with pytest.raises(ImageError, match="dies before it can say anything") as error:
        prove(calm.make("mute-proof", settings={"mute": 1}), smoke=False)
    assert error.value.code == "crash_loop"
