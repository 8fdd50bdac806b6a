"""The data of a training: a folder or what a command makes, by the digest of its content."""

import json

import pytest

READER = """
import json
import os
from pathlib import Path

texts = sorted(Path(os.environ["GOAP_DATA_DIR"]).rglob("*.txt"))
words = " ".join(path.read_text() for path in texts)
result = {"words": len(words.split())}
Path(os.environ["GOAP_RUN_DIR"], "result.json").write_text(json.dumps(result))
"""

JOB = """
from actions import toolkit
from training import Gate, Prepare, Training

reader = Training(
    "reader",
    command="python read.py",
    source=["read.py"],
    data="texts",
    gates=[Gate("words", ">=", 2)],
)
CATALOGUE = toolkit(reader)
"""

MAKER = """
import sys
from pathlib import Path

print("making words")
Path(sys.argv[1], "made.txt").write_text("three small words")
"""


@pytest.fixture
def reading(desk):
    desk.write("job.py", JOB)
    desk.write("read.py", READER)
    desk.write("make.py", MAKER)
    desk.write("texts/one.txt", "one two")
    return desk


def test_a_folder_is_brought_to_the_volume_once_and_a_changed_one_is_other_data(reading):
    reading.run("goal=reader_trained")
    assert reading.verdict()["numbers"]["words"] == 2
    assert reading.run("goal=reader_trained").data["status"] == "nothing to do"
    reading.write("texts/two.txt", "three")
    reading.run("goal=reader_trained")
    assert reading.started().count("prepare_reader_data") == 2
    assert len(reading.trainings()) == 2
    words = [
        json.loads((t / "verdict.json").read_text())["numbers"]["words"]
        for t in reading.trainings()
    ]
    assert sorted(words) == [2, 3]


def test_what_a_command_makes_is_made_once_and_again_when_its_bytes_change(reading):
    reading.change("job.py", 'data="texts"', 'data=Prepare("python make.py {out}", ["make.py"])')
    plan = reading.goap("plan", "goal=reader_trained", "--json").data
    assert "prepare_reader_data" in [step["action"] for step in plan["steps"]]
    shown = reading.run("goal=reader_trained").err
    assert "· prepare_reader_data  running python make.py {out}" in shown
    assert "making words" in reading.goap("show", "last", "--events", "--json").out
    assert reading.verdict()["numbers"]["words"] == 3
    assert reading.run("goal=reader_trained").data["status"] == "nothing to do"
    reading.change("make.py", "three small words", "four very small words")
    reading.run("goal=reader_trained")
    assert reading.started().count("prepare_reader_data") == 2


def test_a_bucket_is_refused_on_this_machine_before_anything_is_planned(reading):
    reading.change("job.py", "Gate, Prepare", "Bucket, Gate")
    reading.change("job.py", 'data="texts"', 'data=Bucket("cats", version="1")')
    answer = reading.goap("plan", "goal=reader_trained", "--json")
    assert answer.code == 2
    assert "bucket cats, version 1, and this machine mounts no bucket" in answer.error["message"]
    assert "compute=loopback, where a folder plays it" in answer.error["fix"]
    elsewhere = reading.goap("plan", "goal=reader_trained", "compute=modal", "--json")
    assert "prepare_reader_data" not in [step["action"] for step in elsewhere.data["steps"]]


def test_a_command_that_fails_says_its_last_words_and_nothing_is_trained(reading):
    reading.change("job.py", 'data="texts"', 'data=Prepare("python make.py {out}", ["make.py"])')
    reading.write("make.py", "import sys\nprint('no paper left')\nsys.exit(4)\n")
    error = reading.run("goal=reader_trained", code=1).error
    assert "no paper left" in error["message"]
    assert "train_reader" not in reading.started()
