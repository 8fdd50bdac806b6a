"""Watching under fire: kill -9 between acknowledgements, strangers at the port, a full disk."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from agents.ledger.store import Ledger

ROOT = Path(__file__).parents[2]


def benchmark(*words):
    """What ``benchmarks/webhooks.py`` prints; it ends with an error when something is lost."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "webhooks.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_no_delivery_that_was_acknowledged_is_lost_when_the_server_is_killed():
    told = benchmark("--kills", "10", "--deliveries", "500", "--seed", "7")
    assert told.endswith("0 lost, 0 twice; the chain is whole")


@pytest.mark.slow
def test_a_thousand_deliveries_beside_connections_that_say_nothing_are_all_kept():
    row = [each.strip() for each in benchmark("--half-open", "300").split("|")]
    assert row[1:5] == ["1000", "100", "300", "1000"]


@pytest.mark.slow
def test_strangers_make_a_server_say_nothing():
    assert ": 0 bytes said" in benchmark("--fire")


PROGRAM = """
import sys
from pathlib import Path
from pydantic import BaseModel, Field
from agents.declare.actions import Goal, action, sensor
from agents.declare.catalogue import Catalogue
from agents.cli.main import invoke
from agents.declare.facts import Reading, facts
from agents.declare.outcome import Outcome
from agents.declare.triggers import on

class World(BaseModel):
    copied: bool = Field(description="what is wanted is there")

F = facts(World)
wanted = lambda: {each.name for each in Path("in").glob("*.txt")}
there = lambda: {each.name for each in Path("out").glob("*.txt")}

@sensor(F.copied)
def look(context):
    return Reading(wanted() <= there(), f"{len(there())} files")

@action(effect=F.copied)
def copy(context):
    "Copy what is missing."
    for name in wanted() - there():
        (Path("out") / name).touch()
    return Outcome(summary="copied")

goal = Goal("copied", "all is copied", lambda _: F.copied,
            triggers=(on("file.changed", paths="in/*.txt", debounce=0.2),))
catalogue = Catalogue(F, (look,), (copy,), (goal,))
sys.exit(invoke(lambda: catalogue, sys.argv[1:]))
"""


@pytest.fixture
def small(tmp_path):
    """A disk with room for a ledger and little else."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def said_until(process, words):
    """What a watcher says, up to a line with these words."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    pytest.fail(f"the watcher ended without saying {words!r}: {''.join(lines)}")


def fill(path):
    """Take all the room that is left beside a file."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.slow
def test_what_changes_while_the_disk_is_full_is_done_when_there_is_room(tmp_path, small, processes):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    watcher = processes(
        [sys.executable, "-c", PROGRAM, "watch", f"state={small}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said_until(watcher, "watching")
    fill(small / "filler")
    (tmp_path / "in" / "a.txt").touch()
    said_until(watcher, "no space left")
    (small / "filler").unlink()
    lines = said_until(watcher, "copied: done")
    assert sum("no space left" in line for line in lines) <= 1
    watcher.terminate()
    assert watcher.wait() == 0
    assert (tmp_path / "out" / "a.txt").exists()
    with Ledger(small / "ledger.db", readonly=True) as ledger:
        types = [event.type for event in ledger.events()]
        assert ledger.check() == []
    assert types.count("trigger.handled") == 1
