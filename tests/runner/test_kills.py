"""kill -9 of runner, guard or script at any moment: the next attempt goes on, nothing is left."""

import random
import time
from functools import partial
from pathlib import Path

import pytest

from tests.runner.conftest import EXACT, alive, kill
from training.runner.keep import Keep

EVERY, WINDOW = 20, (0.0, 1.2)
SLOWER = EXACT.replace("    run.log(step", "    time.sleep(0.004)\n    run.log(step")
SCRIPT = "import time\n" + SLOWER


def whole(steps):
    """What the script gives when nobody disturbs it."""
    state = 1
    for step in range(1, steps + 1):
        state = (state * 6364136223846793005 + step) % 2**64
    return state % 1000003


def test_a_training_that_is_killed_again_and_again_ends_as_one_that_was_not(training):
    play(training, random.Random(1), kills=4, steps=240)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["runner", "guard", "script"])
def test_twenty_kills_of_each(training, victim):
    assert play(training, random.Random(victim), 20, steps=4000, victims=(victim,)) == 20


def play(training, chance, kills, steps, victims=("runner", "guard", "script")):
    """Kill one of them so often, then let it end; how often there was somebody to kill."""
    tiny = training(SCRIPT, settings={"steps": steps, "every": EVERY}, keep=Keep(last=2))
    lost, reached, hit = [], 0, 0
    for number in range(kills):
        victim = victims[number % len(victims)]
        runner = tiny.start()
        # some are hit when the script is hardly there, some while it saves, some near the end
        wait_until(partial(is_there, tiny, runner, victim))
        end = time.monotonic() + chance.uniform(*WINDOW)
        while time.monotonic() < end and runner.poll() is None:
            time.sleep(0.005)
        doomed = victims_of(tiny, runner, victim)
        hit += bool(doomed)
        for pid in doomed:
            kill(pid)
        if victim == "runner":
            runner.wait(timeout=60)
        else:
            runner.communicate(timeout=60)
        wait_until_alone(tiny)
        lost.append(reached - max(tiny.steps, default=0))
        reached = max(tiny.steps, default=0)
        if tiny.layout.verdict_path.exists() and tiny.ending.status == "completed":
            break
    assert max(lost) <= 0, "a sealed checkpoint was lost"
    ending = tiny.carry(code=0)
    assert ending.numbers["state"] == whole(steps)
    assert alive(tiny.root) == []
    assert len(tiny.steps) <= 2
    return hit


def is_there(tiny, runner, victim):
    """Whether there is somebody to kill, or nobody any more."""
    return runner.poll() is not None or victims_of(tiny, runner, victim)


def victims_of(tiny, runner, victim):
    """The processes to kill, as they are now."""
    below = [pid for pid in alive(tiny.root) if pid != runner.pid]
    if victim == "runner":
        return [runner.pid] if runner.poll() is None else []
    kinds = {"guard": b"guard.py", "script": b"train.py"}
    found = []
    for pid in below:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if kinds[victim] in words and (victim == "guard" or b"guard.py" not in words):
            found.append(pid)
    return found


def wait_until_alone(tiny):
    """A guard ends what is below it when its runner is gone: at once, but not in no time."""
    wait_until(lambda: not alive(tiny.root))


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
