"""What a user declares, on Modal by the command line: its data, its policy, its bucket.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, until
from programs import Ended, goap, path_with

from agents.ledger.events import of_kind
from agents.ledger.payloads import MoneySettled
from agents.ledger.store import Ledger
from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume
from training.compute.spending import accounts_of

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]

SCRIPT = """
import json, os
from pathlib import Path
from training.contract import run
for step in run.steps(run.step, run.settings["steps"]):
    run.log(step, loss=1 / step)
    if run.save_due(step, every=2):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps({"step": step}))
texts = [*Path(os.environ["GOAP_DATA_DIR"]).rglob("*.txt")] if os.environ["GOAP_DATA_DIR"] else []
run.finish(words=len(" ".join(path.read_text() for path in texts).split()))
"""

JOB = """
from pydantic import BaseModel

from actions import toolkit
from training import Gate, Keep, Prepare, Training

class Settings(BaseModel):
    steps: int = 12

tiny = Training(
    "tiny",
    settings=Settings,
    command="python train.py",
    source=["train.py"],
    keep=Keep(last=4),
)
CATALOGUE = toolkit(tiny)
"""


class Folder:
    """A folder with a job in it, that runs on the control plane."""

    def __init__(self, plane: ControlPlane, path: Path, name: str) -> None:
        self.plane, self.path, self.volume = plane, path, ModalVolume(name[5:60])
        calls = plane.do("state")["calls"]
        self.before = sum(each["function"] == "make" for each in calls)
        self.write("job.py", JOB)
        self.write("train.py", SCRIPT + f"# {name}\n")
        self.write("pyproject.toml", '[tool.goap]\ncatalogue = "job:CATALOGUE"\n')

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change(self, before: str, after: str) -> None:
        text = (self.path / "job.py").read_text(encoding="utf-8")
        assert before in text
        self.write("job.py", text.replace(before, after))

    def words(self) -> list[str]:
        where = ("compute=modal", f"volume={self.volume.name}")
        return ["run", "goal=tiny_trained", *where, "max_cost=10000", "--json"]

    def run(self, code: int = 0) -> Ended:
        ended = goap(self.plane, self.path, *self.words())
        assert ended.code == code, ended.out + ended.err
        return ended

    def start(self, processes: Any) -> "subprocess.Popen[str]":
        return processes(
            [sys.executable, "-m", "agents", *self.words()],
            cwd=self.path,
            env={**os.environ, **self.plane.environment(), "PYTHONPATH": path_with(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def training(self) -> str:
        (key,) = self.volume.listdir("trainings")
        return f"trainings/{key}"

    @property
    def checkpoints(self) -> list[str]:
        listed = self.volume.listdir(f"{self.training}/checkpoints")
        return [name for name in listed if name.startswith("step-")]

    def numbers(self) -> dict[str, float]:
        verdict = json.loads(self.volume.read_bytes(f"{self.training}/verdict.json"))
        return dict(verdict["numbers"])


@pytest.fixture
def folder(plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    return Folder(plane, tmp_path, request.node.name)


@pytest.mark.slow
def test_a_policy_that_changed_after_the_end_prunes_what_is_there(folder: Folder) -> None:
    folder.run()
    assert len(folder.checkpoints) == 4
    folder.change("Keep(last=4)", "Keep(last=1, every=8)")
    said = folder.run().out
    assert folder.checkpoints == ["step-00000008", "step-00000012"]
    assert "prune_tiny" in said


MAKER = """
import os, pathlib, sys, time
out, inputs = pathlib.Path(sys.argv[1]), pathlib.Path(os.environ["GOAP_DATA_INPUTS"])
print("in a container:", "MODAL_TASK_ID" in os.environ, flush=True)
(out / "deep").mkdir()
(out / "deep" / "made.txt").write_text((inputs / "raw" / "words.txt").read_text() * 2)
"""
PREPARE = 'data=Prepare("python make.py {out}", source=["make.py"], inputs=["raw"]),'
WAITS = """
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.05)
"""


def made(folder: Folder, waits_for: str = "") -> Folder:
    """With data that a command makes."""
    command = PREPARE.replace("{out}", f"{{out}} {waits_for}".rstrip())
    folder.change("    keep=", f"    {command}\n    keep=")
    folder.write("make.py", MAKER + (WAITS if waits_for else ""))
    folder.write("raw/words.txt", "one two ")
    return folder


def makes(folder: Folder) -> list[dict[str, Any]]:
    """The calls that made data in this test."""
    calls = folder.plane.do("state")["calls"]
    return [each for each in calls if each["function"] == "make"][folder.before :]


@pytest.mark.slow
def test_a_command_makes_data_in_a_container_once_for_its_bytes_and_inputs(folder: Folder) -> None:
    made(folder)
    folder.plane.do("rates", cpu_hour_cost=1800, mem_gib_hour_cost=0)  # a dollar a second
    folder.run()
    assert (
        "in a container: True" in goap(None, folder.path, "show", "last", "--events", "--json").out
    )
    assert folder.numbers()["words"] == 4
    (call,) = makes(folder)
    assert call["hardware"]["gpu"] == []
    assert json.loads(folder.run().out)["data"]["steps"] == ["validate_auth"]
    assert len(makes(folder)) == 1
    # what its container used is in an account of its own, which the bill shows
    (spent,) = [each for each in accounts_of(folder.volume) if each.key.startswith("data-")]
    assert [(each.state, each.call, each.device) for each in spent.uses[-1:]] == [
        ("ended", call["call"], "cpu")
    ]
    assert spent.usd is not None
    assert spent.usd[1] == pytest.approx(spent.seconds)
    with Ledger(folder.path / ".goap" / "ledger.db", readonly=True) as ledger:
        booked = [each for _, each in of_kind(ledger.events(), MoneySettled)]
    (paid,) = [each.usd for each in booked if each.account == spent.key]
    assert paid == pytest.approx(spent.seconds, abs=0.01)
    words = ("bill", "data-", "compute=modal", f"volume={folder.volume.name}", "--json")
    (row,) = json.loads(goap(folder.plane, folder.path, *words).out)["data"]["by_training"]
    assert row["seconds"] == pytest.approx(spent.seconds, abs=0.01)
    assert spent.seconds > 0
    (digest,) = [n for n in folder.volume.listdir("datasets") if n != "sources"]
    assert folder.volume.listdir(f"datasets/{digest}") == ["files", "manifest.json"]
    (key,) = [n for n in folder.volume.listdir("datasets/sources") if not n.endswith(".json")]
    assert "source" not in folder.volume.listdir(f"datasets/sources/{key}")
    folder.write("raw/words.txt", "one two three ")
    folder.run()
    assert len(makes(folder)) == 2


@pytest.mark.slow
def test_a_command_that_fails_in_its_container_says_its_last_words(folder: Folder) -> None:
    made(folder).write("make.py", "print('no paper left')\nraise SystemExit(4)\n")
    error = json.loads(folder.run(code=1).out)["error"]
    assert "failed with exit code 4\n    no paper left" in error["message"]
    made_nothing = [n for n in folder.volume.listdir("datasets") if n != "sources"]
    assert made_nothing == []
    folder.write("make.py", MAKER)
    folder.run()
    assert folder.numbers()["words"] == 4


@pytest.mark.slow
def test_a_launcher_that_was_killed_is_followed_by_one_that_attaches_and_a_stop_ends_it(
    folder: Folder, processes: Any, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    made(folder, str(go))
    first = folder.start(processes)
    until(lambda: [call["state"] for call in makes(folder)] == ["running"])
    first.kill()
    first.communicate()
    second = folder.start(processes)
    asked = lambda: folder.plane.do("state")["called"].get("FunctionGetOutputs", 0)  # noqa: E731
    before = asked()
    until(lambda: asked() > before + 2)  # it found the call, and follows it
    second.send_signal(signal.SIGINT)
    second.communicate()
    until(lambda: makes(folder)[-1]["state"] == "done")
    assert len(makes(folder)) == 1
    go.touch()
    folder.run()
    assert folder.numbers()["words"] == 4
    assert len(makes(folder)) == 2


@pytest.mark.slow
def test_a_container_that_is_lost_while_it_makes_data_is_told_of_and_another_begins_anew(
    folder: Folder, processes: Any, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    run = made(folder, str(go)).start(processes)
    below = lambda: folder.volume.files("datasets/sources")  # noqa: E731
    until(lambda: any(each.path.endswith(".log") and each.size for each in below()))
    (call,) = makes(folder)
    folder.plane.do("kill", fate="out_of_memory", call=call["call"])
    until(lambda: makes(folder)[0]["starts"] == 2)
    go.touch()
    out, err = run.communicate()
    assert run.returncode == 0, out + err
    shown = goap(None, folder.path, "show", "last", "--events", "--json").out
    assert "the one before was lost, and it begins anew" in shown
    assert folder.numbers()["words"] == 4


READER = """
import os
from pathlib import Path
from training.contract import run
place = Path(os.environ["GOAP_DATA_DIR"])
outside = not place.is_relative_to(Path(os.environ["GOAP_RUN_DIR"]).parents[1])
opened = any(name.startswith("AWS_") for name in os.environ)
for step in run.steps(run.step, run.settings["steps"]):
    run.log(step, loss=1 / step)
words = [word for path in sorted(place.rglob("*.txt")) for word in path.read_text().split()]
run.finish(words=len(words), outside=int(outside), opened=int(opened))
"""
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


def in_a_bucket(folder: Folder, name: str, text: str = "one two three") -> Folder:
    """With data in a bucket of its own, and a smoke training that reads it too."""
    data = f'data=Bucket("{name}", version="1", key_prefix="big/", secret="{name}-keys"),'
    folder.change("    keep=", f'    {data}\n    smoke={{"steps": 2}},\n    keep=')
    folder.change("Gate, Keep", "Bucket, Gate, Keep")
    folder.write("train.py", f"{READER}# {name}\n")
    folder.write("mine/big/deep/words.txt", text)
    folder.write("mine/small.txt", "not below the prefix")
    return folder


@pytest.mark.slow
@pytest.mark.both_clients
def test_a_bucket_is_read_where_it_is_and_another_version_is_another_training(
    folder: Folder,
) -> None:
    in_a_bucket(folder, "cats")
    folder.plane.do("bucket", name="cats", folder=str(folder.path / "mine"))
    folder.plane.do("secret", name="cats-keys", values=KEYS)
    steps = json.loads(folder.run().out)["data"]["steps"]
    assert "prepare_tiny_data" not in steps
    seen = folder.numbers()
    assert (seen["words"], seen["outside"], seen["opened"]) == (3, 1, 0)
    assert folder.volume.listdir("datasets") == []
    folder.write("mine/big/more.txt", "four")
    assert json.loads(folder.run().out)["data"]["steps"] == ["validate_auth"]
    first = folder.training
    folder.change('version="1"', 'version="2"')
    folder.run()
    (second,) = {f"trainings/{each}" for each in folder.volume.listdir("trainings")} - {first}
    verdict = json.loads(folder.volume.read_bytes(f"{second}/verdict.json"))
    assert verdict["numbers"]["words"] == 4


@pytest.mark.slow
@pytest.mark.both_clients
def test_a_bucket_that_is_not_there_not_open_or_empty_is_refused_with_what_to_do(
    folder: Folder,
) -> None:
    in_a_bucket(folder, "dogs")

    def refused(code: int) -> dict[str, str]:
        error: dict[str, str] = json.loads(folder.run(code).out)["error"]
        return error

    plane, secret = folder.plane, {"name": "dogs-keys"}
    assert "modal secret create" in refused(2)["fix"]
    plane.do("secret", **secret, values={"AWS_ACCESS_KEY_ID": "a"})
    error = refused(2)
    assert "AWS_SECRET_ACCESS_KEY" in error["message"]
    plane.do("secret", **secret, values=KEYS)
    before = plane.do("state")["containers_started"]
    error = refused(2)
    assert "Bucket 'dogs'" in error["message"]
    assert "make bucket dogs where you keep it" in error["fix"]
    assert plane.do("state")["containers_started"] == before
    plane.do("bucket", name="dogs", folder=str(folder.path / "mine"))
    folder.change("big/", "bigger/")
    error = refused(1)
    assert "bucket dogs/bigger, version 1 holds nothing" in error["message"]
    assert "key_prefix=" in error["fix"]
