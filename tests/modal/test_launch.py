"""A training is launched once, whoever dies where; with scripts of a line, in both clients."""

import random
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import modal
import pytest
from conftest import Forked, Measured, until
from programs import program
from scripts import Script, Scripts

from training.compute.loopback.client import find
from training.compute.modal.carrier import app_name, options
from training.errors import Unreachable

slow = pytest.mark.slow
pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients, slow]

HOUR = 3600.0

lists_calls = pytest.mark.skipif(
    modal.__version__ < "1.6",
    reason="this client cannot list calls: it waits two minutes, and turns decide who trains",
)


def tiny(scripts: Scripts, name: str, steps: int = 1) -> Script:
    """A training of its own for each name: what is launched is small, how is what is tried."""
    made: Script = scripts.make(f"launch {name}", settings={"steps": steps, "every": 1})
    return made


def trained_by(scripts: Scripts) -> dict[str, list[str]]:
    """Key → the calls of this test that train it; each says in its container what it trains."""
    claims = modal.Dict.from_name("goap-training-claims")
    calls = [each["call"] for each in scripts.new_calls]
    entries: dict[Any, Any] = {}

    def named() -> bool:
        entries.update(claims.items())
        return all(f"call/{call}" in entries for call in calls)

    until(named)
    found: dict[str, list[str]] = {}
    for call in calls:
        found.setdefault(entries[f"call/{call}"], []).append(call)
    return found


def killed_at(scripts: Scripts, script: Script, fault: dict[str, Any]) -> bool:
    """Kill a launcher when it meets a fault; whether it met it."""
    met = scripts.plane.do("fault", **fault)["faults_met"]
    process = script.launcher()
    try:
        until(
            lambda: process.poll() is not None or scripts.plane.do("state")["faults_met"] > met,
            every=0.1,
        )
    finally:
        process.kill()
        process.communicate()
        scripts.plane.do("clear")
    return bool(scripts.plane.do("state")["faults_met"] > met)


def launched_later(scripts: Scripts, script: Script) -> str:
    """Start it an hour later: what a dead launcher sent has arrived by then, or never will."""
    trained_by(scripts)
    compute = type(scripts.compute)(
        scripts.volume, clock=lambda: datetime.now(UTC) + timedelta(seconds=HOUR), name="loopback"
    )

    def launched() -> str | None:
        with suppress(Unreachable):
            return compute.start(script.order, script.source, script.hardware, None).call_id
        return None

    found: str = until(launched)
    return found


@pytest.mark.parametrize("kind", ["hang", "mute"])
def test_25_paid_twice_kill_at_every_rpc_of_a_launch(
    scripts: Scripts, measured: Measured, kind: str
) -> None:
    tiny(scripts, kind).run()  # everything is uploaded and built
    tried: dict[str, tuple[Script, str]] = {}
    while killed_at(
        scripts,
        script := tiny(scripts, f"{kind} {len(tried)}"),
        {"rpc": "*", "kind": kind, "after": len(tried)},
    ):
        tried[script.key] = script, launched_later(scripts, script)
    calls = trained_by(scripts)
    duplicates = sum(len(calls.get(key, [])) > 1 for key in tried)
    lost = sum(call not in calls.get(key, []) for key, (_, call) in tried.items())
    measured(points=len(tried), duplicates=duplicates, lost=lost)
    assert (duplicates, lost) == (0, 0)
    assert len(tried) > 20
    for script, _ in tried.values():
        assert script.follow() == "completed"


@lists_calls
@pytest.mark.parametrize("kind", ["hang", "mute"])
def test_25_paid_twice_a_launcher_killed_at_its_call_is_followed_at_once_by_one_that_waits(
    scripts: Scripts, kind: str
) -> None:
    script = tiny(scripts, f"at once {kind}")
    assert killed_at(scripts, script, {"rpc": "FunctionMap", "kind": kind})

    def once() -> str | None:
        out, err = script.launcher().communicate()
        assert out or "run the same command" in err, err
        return out.strip() or None

    assert trained_by(scripts).get(script.key, []) in ([], [until(once)])
    assert script.follow() == "completed"
    assert len(trained_by(scripts)[script.key]) == 1


def test_25_paid_twice_four_launchers_at_once_make_one_call(scripts: Scripts) -> None:
    script = tiny(scripts, "four", steps=40)
    processes = [script.launcher() for _ in range(4)]
    calls = {process.communicate()[0].strip() for process in processes}
    assert len(calls) == 1
    assert trained_by(scripts) == {script.key: list(calls)}


@lists_calls
def test_25_paid_twice_a_call_that_starts_and_ends_while_it_is_looked_for_is_found(
    scripts: Scripts,
) -> None:
    script = tiny(scripts, "looked for")
    scripts.plane.do("fault", rpc="FunctionGetInputs", kind="late", seconds=HOUR)
    met = scripts.plane.do("fault", rpc="FunctionMap", kind="mute")["faults_met"]
    first = script.launcher()
    until(lambda: scripts.plane.do("state")["faults_met"] == met + 2)  # the call, and its container
    first.kill()
    first.communicate()
    scripts.plane.do("fault", rpc="FunctionCallFetch", kind="late", seconds=HOUR)
    second = script.launcher(later=HOUR)
    until(lambda: scripts.plane.do("state")["faults_met"] == met + 3)
    scripts.plane.do("clear")
    said, err = second.communicate()
    assert trained_by(scripts) == {script.key: [said.strip()]}, err


def test_25_paid_twice_a_request_that_arrives_an_hour_late_is_a_call_that_does_nothing(
    scripts: Scripts,
) -> None:
    script = tiny(scripts, "an hour late", steps=40)
    owner = script.start()
    assert trained_by(scripts) == {script.key: [owner]}
    function = modal.Function.from_name(app_name(script.recipe, script.hardware), "carry")
    late = function.with_options(**options(script.hardware, scripts.volume.handle)).spawn(
        script.key, [], volume=scripts.volume.name
    )
    assert late.get(timeout=300) == {"duplicate_of": owner}
    assert script.follow() == "completed"


def test_25_paid_twice_launchers_killed_at_random_while_others_launch_the_same(
    scripts: Scripts, measured: Measured
) -> None:
    chance = random.Random(25)
    tiny(scripts, "random").run()  # everything is uploaded and built
    killed, made = 0, {}
    for number in range(8):
        script = tiny(scripts, f"random {number}")
        begun = asked(scripts)
        processes = [script.launcher() for _ in range(3)]
        for victim in chance.sample(processes, chance.randint(1, 3)):
            moment = begun + chance.randint(1, 120)
            until(_reached(scripts, moment, victim), every=0.05)
            killed += victim.poll() is None
            victim.kill()
        for process in processes:
            process.communicate()
        made[script.key] = launched_later(scripts, script)
    calls = trained_by(scripts)
    duplicates = sum(len(each) > 1 for each in calls.values())
    lost = sum(calls.get(key) != [call] for key, call in made.items())
    measured(killed=killed, of=24, duplicates=duplicates, lost=lost)
    assert (duplicates, lost) == (0, 0)
    assert killed > 5


def asked(scripts: Scripts) -> int:
    """How many requests clients made so far."""
    return sum(scripts.plane.do("state")["asked"].values())


def _reached(scripts: Scripts, moment: int, victim: Forked) -> Callable[[], bool]:
    return lambda: victim.poll() is not None or asked(scripts) >= moment


JOB = """
from pydantic import BaseModel, Field
from actions import toolkit
from training import Training

class Settings(BaseModel):
    steps: int = Field(1, ge=1, description="steps")

CATALOGUE = toolkit(
    Training("tiny", settings=Settings, command="python script.py", source=["script.py"])
)
"""

SCRIPT = """
from training.contract import run
for step in run.steps(run.step, run.settings["steps"]):
    run.log(step, loss=1.0)
run.finish(loss_final=1.0)
"""

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


@pytest.mark.parametrize("part", [0, 1])
def test_25_paid_twice_kill_at_every_ledger_write_of_a_run(
    tmp_path: Path, measured: Measured, part: int
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.goap]\ncatalogue = "job:CATALOGUE"\n')

    def run(steps: int, writes: int) -> int:
        words = (str(writes), "run", "goal=tiny_trained", "compute=loopback", f"steps={steps}")
        ended = program(KILLED, None, tmp_path, *words)
        assert ended.code in (0, -signal.SIGKILL), ended.err
        return ended.code

    assert run(1, 10**6) == 0
    plane = find(tmp_path / ".goap" / "loopback")
    assert plane is not None
    try:
        calls, points = len(plane.do("state")["calls"]), 0
        duplicates = lost = 0
        # each second write, with the other half in another test
        while run(2 + points, part + 2 * points) != 0:
            assert run(2 + points, 10**6) == 0
            now = len(plane.do("state")["calls"])
            duplicates += now - calls > 1
            lost += now == calls
            calls, points = now, points + 1
    finally:
        plane.do("stop")
    measured(ledger_writes=points, duplicates=duplicates, lost=lost)
    assert (duplicates, lost) == (0, 0)
    assert points >= 8
