"""`python -m training`: what people type."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from training.__main__ import main
from training.learn.config import config_of
from training.store.directory import TrainingDirectory
from training.store.weights import read_weights

QUICK = ("steps=4", "save_every=2", "log_every=2", "sample_steps=2", "validate_every=4")


pytestmark = pytest.mark.xdist_group("commands")
"""One worker runs them: they share a training."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve coloured squares of two breeds."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    folder.mkdir()
    for index in range(12):
        breed = ("Bengal", "Persian")[index % 2]
        Image.new("RGB", (24, 20), (20 * index, 90, 200)).save(folder / f"{breed}_{index}.png")
    return folder


@pytest.fixture(scope="module")
def trained_once(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with a training of four steps, made from the command line; nobody changes it."""
    volume = tmp_path_factory.mktemp("trained") / "volume"
    code = main(
        ["train", "--volume", str(volume), "--preset", "smoke", "--data", str(photos), *QUICK]
    )
    assert code in (0, 1)  # four steps need not pass the gates
    return volume


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> TrainingDirectory:
    """A copy of that training."""
    volume = Path(shutil.copytree(trained_once, tmp_path / "volume"))
    (path,) = (volume / "trainings").iterdir()
    return TrainingDirectory.local(volume, path.name)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_train_makes_a_training_from_a_preset_and_every_setting_arrives(trained: Any) -> None:
    order, ending = trained.read_order(), trained.read_ending()
    assert order is not None
    config = config_of(order.settings)
    assert (config.model, config.preset, config.steps, config.save_every) == ("dit", "smoke", 4, 2)
    assert (config.log_every, config.sample_steps, config.validate_every) == (2, 2, 4)
    assert (ending.status, ending.step) == ("completed", 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stepz=4"], "unknown setting: stepz; did you mean steps?"),
        (["steps=many"], "steps:"),
        (["steps"], "steps is no setting"),
        (["patch=5"], "not a multiple of patch 5"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_and_never_dropped(
    settings: list[str],
    message: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["train", "--volume", str(tmp_path / "v"), "--preset", "smoke", "--data", str(photos)]
    assert main([*command, *settings]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "fix:" in error


def test_settings_of_an_existing_training_cannot_be_changed(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--volume", str(trained.root), "--key", trained.key, "steps=9"]
    assert main(command) == 1
    assert "cannot be changed" in capsys.readouterr().err


def test_a_flag_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--stepz", "4"])
    assert caught.value.code == 2
    assert "--stepz" in capsys.readouterr().err


def test_list_shows_trainings_checkpoints_and_gates(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--volume", str(trained.root)]) == 0
    text = said(capsys)
    assert f"{trained.key}  dit smoke  photos-16px" in text
    assert "completed" in text
    assert "step-00000002" in text
    assert "step-00000004" in text
    assert "gate samples_not_noise" in text


def test_verify_names_what_is_damaged(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", "--volume", str(trained.root)]
    assert main(command) == 0
    assert said(capsys).count("as written") == 3  # two checkpoints and the dataset
    damaged = trained.checkpoints_path / "step-00000002" / "ema.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-8])
    assert main(command) == 1
    (line,) = [line for line in said(capsys).splitlines() if "as written" not in line]
    assert "step-00000002" in line
    assert "ema.safetensors" in line


def keep_one(directory: TrainingDirectory) -> None:
    """Change what a training keeps, which its key says nothing about."""
    order = directory.read_order()
    assert order is not None
    directory.write_order(replace(order, keep=replace(order.keep, last=1)))


def test_prune_says_what_it_would_delete_before_it_does(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_one(trained)
    store = trained.store()
    command = ["prune", "--volume", str(trained.root), "--key", trained.key]
    assert main([*command, "--dry-run"]) == 0
    assert "would delete step-00000002" in said(capsys)
    assert len(store.entries()) == 2
    assert main(command) == 0
    assert "deleted step-00000002" in said(capsys)
    assert [entry.step for entry in store.entries()] == [4]


def test_export_holds_the_average_alone_with_what_is_needed_to_use_it(
    trained: TrainingDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "cats.safetensors"
    assert main(["export", "--volume", str(trained.root), "--key", trained.key, str(out)]) == 0
    store = trained.store()
    tensors = {stem: read_weights(store.entries()[-1], stem) for stem in ("ema", "model")}
    with safe_open(out, "pt") as file:
        about = file.metadata()
        exported = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert exported.keys() == tensors["ema"].keys()
    assert all(torch.equal(value, tensors["ema"][name]) for name, value in exported.items())
    assert any(not torch.equal(value, tensors["model"][name]) for name, value in exported.items())
    assert json.loads(about["classes"]) == ["Bengal", "Persian"]
    assert (about["training_key"], about["step"], about["source"]) == (trained.key, "4", "photos")
    assert json.loads(about["config"])["dim"] == 64


def test_sample_draws_a_grid(trained: TrainingDirectory, tmp_path: Path) -> None:
    command = ["sample", "--volume", str(trained.root), "--key", trained.key]
    out = tmp_path / "grid.png"
    options = ["--count", "4", "--steps", "2", "--label", "Persian", "--sampler", "euler"]
    assert main([*command, str(out), *options]) == 0
    with Image.open(out) as sheet:
        assert sheet.size == (128, 128)
        assert sheet.text["step"] == "4"


@pytest.mark.parametrize(
    ("command", "message", "fix"),
    [
        (["export", "x.safetensors", "--average", "ema-9"], "no average ema-9", "use one of: ema"),
        (["export", "x.safetensors", "--average", "optimizer"], "no average optimizer", "ema"),
        (["sample", "x.jpg"], "x.jpg is no .png file", "x.png"),
    ],
)
def test_what_cannot_be_taken_out_is_said_with_what_can(
    trained: TrainingDirectory,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    message: str,
    fix: str,
) -> None:
    place = ["--volume", str(trained.root), "--key", trained.key]
    assert main([*command, *place]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert fix in error.partition("fix:")[2]


def test_a_training_that_is_not_there_is_named_and_not_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--volume", str(tmp_path), "--key", "0123"]
    assert main(["train", *place]) == main(["verify", *place]) == 1
    assert "no training 0123" in capsys.readouterr().err
    assert main(["verify", "--volume", str(tmp_path)]) == 1
    assert "nothing to verify" in capsys.readouterr().err
    assert main(["list", "--volume", str(tmp_path)]) == 0
    assert "no training in" in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_training_says_that_nothing_is_trained(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", "--volume", str(trained.root), "--key", trained.key])
    assert "is finished already, at step 4; nothing is trained" in said(capsys)


def test_sample_names_the_classes_it_knows(
    trained: TrainingDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", "--volume", str(trained.root), "--key", trained.key]
    assert main([*command, str(tmp_path / "x.png"), "--label", "Poodle"]) == 1
    assert "use one of: Bengal, Persian" in capsys.readouterr().err


def test_a_pinned_checkpoint_stays_whatever_the_policy_says(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_one(trained)
    store = trained.store()
    place = ["--volume", str(trained.root), "--key", trained.key]
    assert main(["pin", *place, "3"]) == 1
    assert "use one of: 2, 4" in capsys.readouterr().err
    assert main(["pin", *place, "2"]) == 0
    assert main(["prune", *place]) == 0
    assert [entry.step for entry in store.entries()] == [2, 4]
    assert main(["list", "--volume", str(trained.root)]) == 0
    (line,) = [line for line in said(capsys).splitlines() if line.endswith("pinned")]
    assert "step-00000002" in line
    assert main(["pin", *place, "2", "--remove"]) == 0
    assert main(["prune", *place]) == 0
    assert [entry.step for entry in store.entries()] == [4]


def test_pins_that_cannot_be_read_let_nothing_go(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--volume", str(trained.root), "--key", trained.key]
    assert main(["pin", *place, "2"]) == 0
    (trained.checkpoints_path / "pinned.json").write_text("[]", encoding="utf-8")
    assert main(["prune", *place]) == 1
    assert "pinned.json cannot be read" in capsys.readouterr().err
    assert len(trained.store().entries()) == 2


def test_stop_says_when_nothing_runs(
    trained: TrainingDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--volume", str(trained.root), "--key", trained.key]) == 1
    assert "is not running" in said(capsys)


def start(processes: Any, directory: TrainingDirectory) -> subprocess.Popen[str]:
    """Start `python -m training train` for a key."""
    command = [sys.executable, "-m", "training", "train"]
    command += ["--volume", str(directory.root), "--key", directory.key]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    return processes(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_running_training_keeps_others_away_and_stops_when_asked(
    bench: Any, processes: Any
) -> None:
    directory = bench.make("busy", steps=1_000_000, save_every=500_000, log_every=5)
    running = start(processes, directory)
    assert running.stderr is not None
    for line in running.stderr:
        if "Step 5/" in line:
            break
    place = ["--volume", str(bench.volume), "--key", "busy"]
    assert main(["train", *place]) == 7
    assert main(["stop", *place]) == 0
    _, rest = running.communicate(timeout=300)
    assert running.returncode == 75
    assert "Training interrupted" in rest
    result = directory.read_ending()
    assert result is not None
    assert result.checkpoint is not None
    assert result.checkpoint.step == result.step


def test_help_needs_no_torch() -> None:
    made = "import sys, training.__main__ as m; m.parser_called('goap')"
    code = f"{made}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
