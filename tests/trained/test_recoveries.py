"""What goes wrong with a declared training is named, and answered where something answers it."""

import json

import pytest

from tests.trained.conftest import TROUBLE


def named(desk):
    """The failures of training, by name, in order."""
    return [event.data["name"] for event in desk.events("step.failed")]


def test_out_of_memory_halves_the_declared_setting_in_the_same_training(desk):
    desk.change(
        "job.py", "lr: float", 'batch: int = Field(8, ge=1, description="at once")\n    lr: float'
    )
    desk.change("job.py", "gates=", 'micro_batch="batch",\n    gates=')
    desk.write(
        "trouble.py",
        """
        def trouble(step, loss, lr):
            if step == 7 and run.settings["batch"] > 2:
                run.fail("out_of_memory", "resource", "no room for so many")
                sys.exit(1)
            return loss
        """.replace("\n        ", "\n"),
    )
    desk.run()
    assert named(desk) == ["out_of_memory", "out_of_memory"]
    assert desk.started().count("halve_counter_micro_batch") == 2
    assert json.loads((desk.training() / "settings.json").read_text())["batch"] == 2
    assert desk.run().data["status"] == "nothing to do"


def test_out_of_memory_without_such_a_setting_is_said_and_not_tried_for_ever(desk):
    desk.write("trouble.py", "def trouble(step, loss, lr):\n    raise MemoryError('no room')\n")
    error = desk.run(code=1).error
    assert "memory" in error["message"].lower()
    assert desk.started().count("train_counter") == 1
    assert "memory" in desk.run(code=1).error["message"].lower()
    assert desk.started().count("train_counter") == 2  # who asks again may have made room


def test_a_loss_that_is_not_finite_is_rolled_back_with_half_the_rate(desk):
    desk.change("job.py", "gates=", 'learning_rate="lr",\n    gates=')
    desk.write(
        "trouble.py",
        "def trouble(step, loss, lr):\n"
        "    return float('nan') if step == 12 and lr > 0.004 else loss\n",
    )
    desk.run()
    assert named(desk) == ["loss_not_finite", "loss_not_finite"]
    assert desk.started().count("roll_back_counter") == 2
    assert desk.verdict()["step"] == 30


def test_a_loss_that_is_never_finite_ends_with_its_name_after_one_roll_back(desk):
    desk.write(
        "trouble.py",
        "def trouble(step, loss, lr):\n    return float('nan') if step == 12 else loss\n",
    )
    error = desk.run(code=1).error
    assert "diverged again" in error["message"]
    assert desk.started().count("train_counter") == 2
    assert desk.run(code=1).error["message"] == error["message"]


def test_08_a_module_that_is_missing_is_named_and_looked_for_once_more_and_no_oftener(desk):
    desk.write("trouble.py", "import nowhere_to_be_found\n")
    error = desk.run(code=1).error
    assert "No module named 'nowhere_to_be_found'" in error["message"]
    assert "requirements=" in error["fix"]
    assert named(desk) == ["image_incomplete", "image_incomplete"]
    prove_and_train = ["build_counter_image", "train_counter"]
    assert [each for each in desk.started() if each in prove_and_train] == prove_and_train * 2
    assert "No module named" in desk.run(code=1).error["message"]
    assert desk.started().count("build_counter_image") == 2  # what was refuted twice is believed
    desk.write("trouble.py", TROUBLE)
    desk.run()


def test_a_module_that_is_there_once_the_image_was_proven_anew_lets_the_training_end(desk):
    place = desk.folder / "installed"
    desk.write(
        "trouble.py",
        f"""
import os
from pathlib import Path
place = Path({str(place)!r})
if not place.exists():
    place.mkdir()
    (place / "late_module.py").write_text("")
    import late_module
sys.path.insert(0, str(place))
import late_module
def trouble(step, loss, lr):
    return loss
""",
    )
    desk.run()
    assert named(desk) == ["image_incomplete"]
    assert desk.started().count("build_counter_image") == 2
    refuted = [
        event.data["readings"]["counter_image"]
        for event in desk.events("facts.observed")
        if "refuted" in str(event.data["readings"].get("counter_image"))
    ]
    assert [reading["value"] for reading in refuted] == [False]


def test_a_smoke_training_whose_module_is_missing_says_what_the_image_lacks(desk):
    desk.change("job.py", "gates=", 'smoke={"steps": 2},\n    gates=')
    desk.write("trouble.py", "import nowhere_to_be_found\n")
    error = desk.run(code=1).error
    assert "No module named 'nowhere_to_be_found'" in error["message"]
    assert named(desk) == ["image_incomplete"]
    assert "train_counter" not in desk.started()


def test_a_script_that_exits_badly_says_so_with_its_last_words(desk):
    desk.write("trouble.py", "print('the tin is empty')\nsys.exit(9)\n")
    error = desk.run(code=1).error
    assert "exit" in error["message"]
    assert "the tin is empty" in error["message"]


def test_a_source_that_does_not_compile_is_found_before_anything_is_launched(desk):
    desk.write("trouble.py", "def trouble(\n")
    error = desk.run(code=1).error
    assert "trouble.py" in error["message"]
    assert "train_counter" not in desk.started()


def test_requirements_that_nobody_has_are_named_with_the_command_that_installs_them(desk):
    desk.change("job.py", "gates=", 'requirements=["surely-not-installed==1.0"],\n    gates=')
    error = desk.run(code=1).error
    assert "surely-not-installed==1.0" in error["message"]
    assert "pip install 'surely-not-installed==1.0'" in error["fix"]


def test_a_smoke_training_proves_the_image_and_finds_what_fails_in_it(desk):
    desk.change("job.py", "gates=", 'smoke={"steps": 2},\n    gates=')
    desk.write("trouble.py", "print('no flour')\nsys.exit(3)\n")
    error = desk.run(code=1).error
    assert "smoke" in error["message"]
    assert "no flour" in error["message"]
    assert "train_counter" not in desk.started()
    desk.write("trouble.py", "def trouble(step, loss, lr):\n    return loss\n")
    desk.run()
    (smoked,) = (path for path in (desk.volume / "images").iterdir())
    assert json.loads(smoked.read_text())["step"] == 2
    assert len(desk.trainings()) == 1  # the smoke training left nothing


@pytest.mark.parametrize("what", ["checkpoint", "byte"])
def test_10_a_finished_training_whose_checkpoint_is_gone_or_damaged_is_made_again(desk, what):
    desk.run()
    before = desk.verdict()["numbers"]["state"]
    newest = max(desk.training().glob("checkpoints/step-*"))
    if what == "checkpoint":
        for path in newest.iterdir():
            path.unlink()
        newest.rmdir()
    else:
        (newest / "state.json").write_text('{"state": 0}')
        (desk.training() / "commit.json").unlink()
    desk.run()
    assert desk.verdict()["numbers"]["state"] == before
    assert desk.started().count("train_counter") == 2
