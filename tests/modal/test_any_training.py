"""A script of anybody's, in a container of its own image: launched once, resumed, stopped, proven.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import modal
import pytest
from conftest import ROOT, until
from scripts import EXACT, Script, Scripts, exact, with_settings

from training.compute.modal.carrier import SHIPPED, app_name
from training.compute.recipe import Hardware, Recipe
from training.errors import ConfigError, ImageError, Interrupted
from training.runner.ending import Ending

slow = pytest.mark.slow
pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.both_clients]

LONG = {"steps": 60, "nap": 0.05}
"""A training long enough to be disturbed."""


def prove(script: Script, smoke: bool = True, said: list[str] | None = None) -> str:
    """Prove the image of a script, with the script itself as its smoke training."""
    order = with_settings(script, steps=2, every=1).order if smoke else None
    log = [].append if said is None else said.append
    compute = script.all.compute
    return compute.prove(script.recipe, order, script.source, log, threading.Event())


def lost_nothing(ending: Ending, steps: int = 60) -> bool:
    return (ending.status, ending.numbers["state"]) == ("completed", exact(steps))


SEES = """
import importlib.util, json, os, sys
from pathlib import Path
from training.contract import run
(run.directory / "seen.json").write_text(json.dumps({
    "secret": os.environ.get("CATS_TOKEN"), "seed": os.environ["SEED"],
    "runner": importlib.util.find_spec("training.runner") is not None,
    "input": Path("input.txt").read_text(), "data": os.environ["GOAP_DATA_DIR"],
    "run": os.environ["GOAP_RUN_DIR"], "deadline": "GOAP_DEADLINE" in os.environ,
}))
for step in run.steps(run.step, 2):
    run.log(step, loss=1.0)
run.finish(read=len((run.data / "cats.txt").read_text()))
"""


def test_a_script_has_its_hardware_its_secrets_its_data_and_none_of_our_package(
    scripts: Scripts,
) -> None:
    scripts.plane.do("secret", name="cats", values={"CATS_TOKEN": "meow"})
    scripts.volume.write_bytes("datasets/d1/files/cats.txt", b"tabby")
    hardware = Hardware(
        gpu=("H100:2",), cpu=1.5, memory=512, region="eu", secrets=("cats",), timeout=3600
    )
    script = scripts.make(
        "sees",
        SEES,
        files={"input.txt": "beside it"},
        hardware=hardware,
        data_path="datasets/d1/files",
    )
    ending = script.run()
    assert (ending.status, ending.numbers["read"]) == ("completed", 5), script.log
    seen = json.loads(scripts.volume.read_bytes(f"{script.directory.name}/seen.json"))
    assert seen.pop("data").endswith("/volume/datasets/d1/files")
    assert seen.pop("run").endswith(f"/volume/trainings/{script.key}")
    assert seen == {
        "secret": "meow",
        "seed": "sees",
        "runner": False,
        "input": "beside it",
        "deadline": True,
    }
    (call,) = [each for each in scripts.calls if each["call"] == script.uses[-1]["call"]]
    assert call["hardware"] == {
        "gpu": ["H100:2"],
        "cpu": 1.5,
        "cpu_most": 16.0,
        "memory": 512,
        "memory_most": 65536,
        "timeout": 3600,
        "region": ["eu"],
        "secrets": 1,
    }
    assert (script.uses[-1]["gpu"], script.uses[-1]["state"]) == ("H100:2", "ended")
    assert ending.gpu == "H100:2"


def test_a_secret_that_is_not_there_is_said_before_a_container_starts(scripts: Scripts) -> None:
    before = scripts.plane.do("state")["containers_started"]
    script = scripts.make("no-secret", hardware=Hardware(secrets=("nobody-made-it",)))
    with pytest.raises(ConfigError, match="nobody-made-it") as error:
        script.start()
    assert "do secret name=NAME" in error.value.fix
    assert scripts.plane.do("state")["containers_started"] == before


def test_a_gpu_that_there_is_not_is_said_before_anything_is_deployed(scripts: Scripts) -> None:
    script = scripts.make("no-gpu", hardware=Hardware(gpu=("A11",)))
    with pytest.raises(ConfigError, match="there is no GPU 'A11'"):
        script.start()


OWN = "from training import mine\nfrom training.contract import run\n"


def test_a_folder_called_training_beside_the_script_is_the_scripts(scripts: Scripts) -> None:
    files = {
        "training/__init__.py": "mine = 7\n",
        "training/contract.py": (ROOT / "training" / "contract.py").read_text(encoding="utf-8"),
    }
    finish = "for step in run.steps(run.step, 1): run.log(step, loss=1.0)\nrun.finish(mine=mine)\n"
    ending = scripts.make("own-folder", OWN + finish, files=files).run()
    assert (ending.status, ending.numbers["mine"]) == ("completed", 7), ending.log_tail


@slow
def test_a_command_of_a_shell_without_any_file_is_a_training_too(scripts: Scripts) -> None:
    words = """printf '{{"made": 7}}' > "$GOAP_RUN_DIR/result.json" """
    script = scripts.make("shell", None, command=("sh", "-c", words), target=None)
    ending = script.run()
    assert (ending.status, ending.numbers["made"]) == ("completed", 7), script.log


def test_25_and_26_two_launchers_make_one_call_and_none_when_its_state_has_expired(
    scripts: Scripts,
) -> None:
    script = scripts.make("two", settings={"steps": 20, "nap": 0.05})
    before = len(scripts.calls)
    processes = [script.launcher() for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert len({out.strip() for out, _ in said}) == 1, said
    assert len(scripts.calls) == before + 1
    assert script.follow() == "completed"
    call = said[0][0].strip()
    assert script.start() == call  # it is over: nothing is paid for again
    scripts.plane.do("expire", call=call)
    assert script.state == "completed"  # the volume says so
    assert script.start() == call
    assert len(scripts.calls) == before + 1


def test_14_a_preempted_container_and_a_killed_one_lose_nothing(scripts: Scripts) -> None:
    script = scripts.make("disturbed", settings=LONG)
    script.start()
    for attempt, fate in enumerate(("preempted", "out_of_memory"), start=1):
        # an attempt is in the account before its script starts
        until(lambda n=attempt: max((use["attempt"] for use in script.uses), default=0) == n)
        script.after(1).kill(fate)
        until(lambda n=attempt: script.newest_call["starts"] == n + 1)
        assert script.status.at_work  # a preempted run is never a success
    assert script.follow() == "completed"
    assert lost_nothing(script.ending), script.log
    returned = modal.FunctionCall.from_id(script.newest_call["call"]).get(timeout=60)
    assert returned["status"] == "completed"
    (stopped,) = re.findall(r"Training interrupted at step (\d+)/", script.log)
    assert f"Resuming at step {stopped}" in script.log
    assert script.ending.attempts == 3
    attempts = {use["attempt"]: use for use in script.uses}
    assert sorted(attempts) == [1, 2, 3]
    assert len({use["call"] for use in script.uses}) == 1
    assert script.ending.seconds == pytest.approx(sum(u["seconds"] for u in attempts.values()), 1)


def test_a_stopped_training_saves_and_goes_on_when_it_is_started_again(scripts: Scripts) -> None:
    script = scripts.make("stopped", settings=LONG)
    first = script.start()
    script.after(1)
    assert scripts.compute.stop(script.key)
    assert script.follow() == "interrupted"
    assert script.checkpoints[-1] == f"step-{script.ending.step:08}"  # where it was stopped
    assert scripts.compute.stop(script.key) is False
    with pytest.raises(modal.exception.Error):
        modal.FunctionCall.from_id(first).get(timeout=60)
    assert script.start() != first
    assert script.follow() == "completed"
    assert lost_nothing(script.ending), script.log


@slow
def test_a_slice_ends_at_its_deadline_and_the_next_one_goes_on(scripts: Scripts) -> None:
    script = scripts.make("slices", settings={"steps": 60, "nap": 0.1})
    script.start(deadline=4)
    assert script.follow() == "interrupted"
    ended = script.ending.step
    assert ended < 60
    script.start()
    assert script.follow() == "completed"
    assert lost_nothing(script.ending)
    assert not ended or f"Resuming at step {ended}" in script.log


@slow
def test_a_preempted_container_leaves_the_next_one_what_is_left_of_the_deadline(
    scripts: Scripts,
) -> None:
    script = scripts.make("left", settings={"steps": 1000, "nap": 0.05})
    script.start(deadline=6)
    script.after(3).kill("preempted")
    assert script.follow() == "interrupted"
    assert script.ending.attempts == 2
    assert 5 < script.ending.seconds < 9, script.uses


@slow
def test_the_time_of_a_call_that_is_over_is_an_interruption_and_is_tried_again(
    scripts: Scripts,
) -> None:
    # a script that does not hear of the deadline that the runner gives it
    deaf = EXACT.replace("for step in", "run.deadline = None\nfor step in")
    script = scripts.make("timeout", deaf, settings={"steps": 60, "nap": 0.1})
    dataclasses.replace(script, hardware=Hardware(timeout=5)).start()
    assert script.follow() == "interrupted"
    script.start()
    assert script.follow() == "completed"
    assert lost_nothing(script.ending)
    assert script.ending.attempts > 1


@slow
def test_a_list_of_gpus_and_tags_have_an_app_of_their_own(scripts: Scripts) -> None:
    hardware = Hardware(gpu=("H100", "A100-80GB"), tags=(("team", "cats"),))
    script = scripts.make("listed", hardware=hardware, settings={"steps": 2})
    assert script.run().status == "completed"
    assert script.newest_call["hardware"]["gpu"] == ["H100", "A100-80GB"]
    assert script.newest_call["app"] == app_name(script.recipe, hardware)
    assert app_name(script.recipe, hardware) != app_name(script.recipe, Hardware())


# the image


def test_19_an_image_is_proven_by_the_script_itself_and_a_changed_source_builds_nothing(
    scripts: Scripts,
) -> None:
    uses = "import hypothesis\n"
    first = scripts.make("proof", uses + EXACT, requirements=("hypothesis>=6",))
    smoke = with_settings(first, steps=2, every=1).order
    assert scripts.compute.proof_of(first.recipe, smoke) is None
    calls = len(scripts.calls)
    assert "1 requirement imported, a smoke training came to step 2" in prove(first)
    assert scripts.compute.proof_of(first.recipe, smoke) is not None
    assert len(scripts.calls) == calls
    state = scripts.plane.do("state")
    assert any(app_name(first.recipe, Hardware()) in name for name in state["images"])
    assert [name for name in scripts.volume.listdir("images") if "source" in name] == []
    other = scripts.make("proof", uses + EXACT + "# other\n", requirements=("hypothesis>=6",))
    assert scripts.compute.proof_of(other.recipe, with_settings(other, steps=2).order) is None
    assert "the source compiles" in prove(other, smoke=False)
    assert scripts.plane.do("state")["builds"] == state["builds"]


@slow
@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("import sys\nif True print(1)\n", "source_broken", "train.py"),
        ("raise SystemExit('cats are out')\n", "smoke_failed", "cats are out"),
        ("pass\n", "smoke_failed", "left no result"),
    ],
)
def test_a_script_that_does_not_work_fails_the_proof_with_its_words(
    scripts: Scripts, script: str, code: str, words: str
) -> None:
    with pytest.raises(ImageError, match=words) as error:
        prove(scripts.make(f"broken-{code}-{len(script)}", script))
    assert error.value.code == code


@slow
def test_a_requirement_that_nobody_has_fails_the_build_with_its_name(scripts: Scripts) -> None:
    with pytest.raises(ImageError, match="no-such-cats"):
        prove(scripts.make("no-such", requirements=("no-such-cats==1.0",)))


def proving(scripts: Scripts) -> bool:
    calls = scripts.plane.do("state")["calls"]
    return any(each["function"] == "prove" and each["state"] == "running" for each in calls)


@slow
def test_a_proof_that_is_stopped_leaves_no_container_and_no_source(scripts: Scripts) -> None:
    script = scripts.make("endless", settings={"nap": 600.0})
    cancelled = threading.Event()
    threading.Thread(
        target=lambda: (
            until(lambda: proving(scripts)),
            cancelled.set(),
        )
    ).start()
    smoke = with_settings(script, steps=2).order
    with pytest.raises(Interrupted):
        scripts.compute.prove(script.recipe, smoke, script.source, print, cancelled)
    until(lambda: not proving(scripts))
    assert [name for name in scripts.volume.listdir("images") if "source" in name] == []


def test_what_is_mounted_in_a_container_needs_the_standard_library_and_the_client_alone(
    tmp_path: Path,
) -> None:
    for pattern in SHIPPED:
        for path in (ROOT / "training").glob(pattern):
            target = tmp_path / "training" / path.relative_to(ROOT / "training")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    modules = [
        path.relative_to(tmp_path).with_suffix("").as_posix().replace("/", ".")
        for path in tmp_path.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    ]
    code = f"""
import importlib, sys
sys.path.insert(0, {str(tmp_path)!r})
class Nothing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "training":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
for name in {sorted(modules)!r}:
    if "modal" not in name: sys.meta_path.insert(0, Nothing())
    importlib.import_module(name)
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, Nothing)]
import training
assert training.__file__.startswith({str(tmp_path)!r})
ours = {{"pydantic", "torch", "numpy", "agents", "networkx"}}
print(sorted(ours & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_the_recipe_of_an_image_is_whatever_was_declared() -> None:
    plain = Recipe(("b==1", "a==2"))
    assert app_name(plain, Hardware()) == app_name(Recipe(("a==2", "b==1")), Hardware(gpu=("T4",)))
    for other in (
        Recipe(("a==2",)),
        Recipe(("b==1", "a==2"), apt=("git",)),
        Recipe((), (), "3.12"),
    ):
        assert app_name(other, Hardware()) != app_name(plain, Hardware())
