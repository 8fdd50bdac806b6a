"""A training is launched once, whoever dies where."""

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import modal
import pytest
from conftest import LAUNCH, ROOT, Client, until

from training.compute.loopback.client import find
from training.compute.recipe import Hardware
from training.own import own_source

slow = pytest.mark.slow
pytestmark = pytest.mark.xdist_group("modal")

CRITICAL = [
    pytest.param(rpc, kind, after, marks=slow)
    for rpc, after in (("DictUpdate", 0), ("FunctionMap", 0), ("DictUpdate", 1))
    for kind in ("hang", "mute")
]
"""Around the claim, the call, and the call's id in the claim; before it is done, and after."""


def launcher(client: Client, config: Any) -> Any:
    return client.python(client.plane, LAUNCH, client.order(config).to_json())


def spawned_for(client: Client, key: str) -> list[str]:
    """The calls that said they train `key`, plus those that did not start yet."""
    claims = modal.Dict.from_name("goap-training-claims")
    until(lambda: all(c["starts"] for c in client.calls()))
    until(lambda: all(claims.get(f"call/{c['call']}") for c in client.calls()))
    return [c["call"] for c in client.calls() if claims.get(f"call/{c['call']}") == key]


def killed_at(client: Client, config: Any, fault: dict[str, Any]) -> bool:
    """Kill a launcher when it meets a fault; whether it met it."""
    met = client.plane.do("fault", **fault)["faults_met"]
    process = launcher(client, config)
    try:
        until(lambda: process.poll() is not None or client.plane.do("state")["faults_met"] > met)
    finally:
        process.kill()
        process.communicate()
        client.plane.do("clear")
    return bool(client.plane.do("state")["faults_met"] > met)


def again(client: Client, config: Any) -> str:
    """Run the same command until it says which call it is."""

    def once() -> str | None:
        out, err = launcher(client, config).communicate()
        assert out or "run the same command" in err or "another launcher" in err or "waits" in err
        return out.strip() or None

    # a client before 1.6 cannot list calls, and waits two minutes for one that may not exist
    found: str = until(once, 180)
    return found


@pytest.mark.parametrize(("rpc", "kind", "after"), CRITICAL)
def test_25_paid_twice_a_launcher_killed_between_claim_and_call_leaves_one_call(
    client: Client, rpc: str, kind: str, after: int
) -> None:
    config = client.config(100 + 2 * len(rpc) + after + 30 * (kind == "hang"), steps=1)
    assert killed_at(client, config, {"rpc": rpc, "kind": kind, "after": after})
    call = again(client, config)
    assert spawned_for(client, client.key(config)) == [call]
    assert again(client, config) == call or client.follow(client.key(config)) == "completed"


@slow
def test_25_paid_twice_four_launchers_at_once_make_one_call(client: Client) -> None:
    config = client.config(200, steps=40)
    processes = [launcher(client, config) for _ in range(4)]
    calls = {process.communicate()[0].strip() for process in processes}
    assert len(calls) == 1
    assert spawned_for(client, client.key(config)) == sorted(calls)


@slow
def test_25_paid_twice_a_lost_answer_to_spawn_makes_one_call(client: Client) -> None:
    config = client.config(201, steps=1)
    client.plane.do("fault", rpc="FunctionMap", kind="lost", times=2)
    key = client.launch(config)
    assert len(spawned_for(client, key)) == 1


@slow
def test_25_paid_twice_a_call_that_starts_and_ends_while_it_is_looked_for_is_found(
    client: Client,
) -> None:
    config = client.config(202, steps=1)
    key = client.key(config)
    client.plane.do("fault", rpc="FunctionGetInputs", kind="late", seconds=3)
    assert killed_at(client, config, {"rpc": "FunctionMap", "kind": "mute"})
    client.plane.do("fault", rpc="FunctionCallFetch", kind="late", seconds=20)
    compute = type(client.compute)(
        client.volume, clock=lambda: datetime.now(UTC) + timedelta(hours=1), name="loopback"
    )
    found = compute.start(client.order(config), own_source(), Hardware(), None)
    assert spawned_for(client, key) == [found.call_id]


@slow
def test_25_paid_twice_a_request_that_arrives_an_hour_late_is_a_call_that_does_nothing(
    client: Client,
) -> None:
    config = client.config(203, steps=40)
    key = client.launch(config)
    (owner,) = spawned_for(client, key)
    late = modal.Function.from_name("goap-training", "train").spawn(key, [])
    assert late.get(timeout=300) == {"duplicate_of": owner}
    assert client.follow(key) == "completed"


@slow
@pytest.mark.parametrize("kind", ["hang", "mute"])
def test_25_paid_twice_kill_at_every_rpc_of_a_launch(client: Client, kind: str) -> None:
    client.follow(client.launch(client.config(299, steps=1)))  # everything is uploaded and built
    point, duplicates, lost = 0, 0, 0
    while True:
        config = client.config(300 + point + (500 if kind == "mute" else 0), steps=1)
        if not killed_at(client, config, {"rpc": "*", "kind": kind, "after": point}):
            break
        again(client, config)
        calls = spawned_for(client, client.key(config))
        duplicates += len(calls) > 1
        lost += not calls
        point += 1
    print(json.dumps({"kind": kind, "points": point, "duplicates": duplicates, "lost": lost}))
    assert (duplicates, lost) == (0, 0)
    assert point > 20


@slow
def test_25_paid_twice_launchers_killed_at_random_while_others_launch_the_same(
    client: Client,
) -> None:
    chance = random.Random(25)
    client.follow(client.launch(client.config(399, steps=1)))  # everything is uploaded and built
    duplicates = lost = killed = 0
    for seed in range(400, 408):
        config = client.config(seed, steps=1)
        processes = [launcher(client, config) for _ in range(3)]
        victims = chance.sample(processes, chance.randint(1, 3))
        for victim in victims:
            with suppress(subprocess.TimeoutExpired):
                victim.wait(chance.uniform(0.3, 2.5))
            killed += victim.poll() is None
            victim.kill()
        for process in processes:
            process.communicate()
        call = again(client, config)
        calls = spawned_for(client, client.key(config))
        duplicates += len(calls) > 1
        lost += call not in calls
    print(json.dumps({"killed": killed, "of": 24, "duplicates": duplicates, "lost": lost}))
    assert (duplicates, lost) == (0, 0)
    assert killed > 5


ENDED = (0, 1)
"""Exit codes of a run that came to its end; a seed may fail a gate after so few steps."""

KILLED = """
import os, signal, sys
from agents.ledger.store import Ledger
left, append = int(sys.argv.pop(1)), Ledger.append
def counted(self, event):
    global left
    left -= 1
    if left < 0: os.kill(os.getpid(), signal.SIGKILL)
    return append(self, event)
Ledger.append = counted
from agents.__main__ import main
sys.exit(main())
"""


@slow
@pytest.mark.parametrize("first", [0, 10, 20])
def test_25_paid_twice_kill_at_every_ledger_write_of_a_run(tmp_path: Path, first: int) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def run(seed: int, writes: int) -> int:
        words = ["run", "goal=trained_dit", "compute=loopback", "preset=smoke"]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(writes), *words, f"seed={seed}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        return done.returncode

    assert run(0, 10**6) in ENDED
    plane = find(tmp_path / ".goap" / "loopback")
    assert plane is not None
    calls, points = len(plane.do("state")["calls"]), 0
    duplicates = lost = 0
    for point in range(first, first + 10):
        ended = run(1 + point, point)
        assert ended in (*ENDED, -signal.SIGKILL)
        if ended in ENDED:
            break  # there was no write left to be killed at
        assert run(1 + point, 10**6) in ENDED
        now = len(plane.do("state")["calls"])
        duplicates += now - calls > 1
        lost += now == calls
        calls, points = now, points + 1
    plane.do("stop")
    print(json.dumps({"ledger writes": points, "duplicates": duplicates, "lost": lost}))
    assert (duplicates, lost) == (0, 0)
    assert points == 10 or first == 20
