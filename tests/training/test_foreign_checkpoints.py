"""A checkpoint is believed where its own training saved it, and nowhere else."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.__main__ import main
from training.errors import CheckpointError
from training.judge.export import export
from training.store.directory import TrainingDirectory
from training.store.durable import sha256_of
from training.store.saved import add_saved, read_saved

LITTLE = {"steps": 8, "save_every": 4, "log_every": 4, "sample_every": 8, "validate_every": 8}
LITTLE |= {"sample_steps": 2, "judged_samples": 0}
NEWEST = "step-00000008"


def finished(bench: Any, key: str, **settings: object) -> TrainingDirectory:
    directory: TrainingDirectory = bench.make(key, **{**LITTLE, **settings})
    assert bench.run(directory).step == 8
    return directory


def newest(directory: TrainingDirectory) -> Path:
    return max(directory.checkpoints_path.glob("step-*"))


def reseal(path: Path, **changes: object) -> None:
    """Change a manifest and seal it again, as somebody would who knows how."""
    file = path / "goap-manifest.json"
    content = {**json.loads(file.read_bytes()), **changes}
    del content["seal"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    sealed = {**content, "seal": hashlib.sha256(text.encode()).hexdigest()}
    file.write_text(json.dumps(sealed), "utf-8")


def records(path: Path) -> dict[str, dict[str, object]]:
    """What a manifest says of the files that are there now."""
    files = [file for file in sorted(path.iterdir()) if file.name != "goap-manifest.json"]
    return {f.name: {"sha256": sha256_of(f), "bytes": f.stat().st_size} for f in files}


def list_as_saved(path: Path) -> None:
    """Let the list of what was saved name a manifest that was never saved."""
    add_saved(path.parent, 0, sha256_of(path / "goap-manifest.json"))


def edit_key(path: Path) -> None:
    reseal(path, training_key="somebody's")


def edit_data(path: Path) -> None:
    reseal(path, data="0" * 64)


def edit_metrics(path: Path) -> None:
    reseal(path, metrics={"validation_loss": 0.0})


def edit_step(path: Path) -> None:
    reseal(path, step=80)
    path.rename(path.with_name("step-00000080"))


def change_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Rewrite the tensors of all files, and everything that would give it away."""
    for file in sorted(path.glob("*.safetensors")):
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)
    reseal(path, files=records(path))
    list_as_saved(path)


def drop_a_tensor(path: Path) -> None:
    def drop(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[sorted(tensors)[0]]

    change_tensors(path, drop)


def widen_a_tensor(path: Path) -> None:
    def widen(tensors: dict[str, torch.Tensor]) -> None:
        name = sorted(tensors)[0]
        tensors[name] = torch.cat([tensors[name], tensors[name]])

    change_tensors(path, widen)


def halve_precision(path: Path) -> None:
    def halve(tensors: dict[str, torch.Tensor]) -> None:
        name = sorted(tensors)[0]
        tensors[name] = tensors[name].half()

    change_tensors(path, halve)


def rewrite_state(path: Path) -> None:
    (path / "state.json").write_text("[]", encoding="utf-8")
    reseal(path, files=records(path))
    list_as_saved(path)


def move_and_link(path: Path) -> None:
    path.rename(path.parents[1] / "moved")
    path.symlink_to(path.parents[1] / "moved", target_is_directory=True)


def replace_by_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("", encoding="utf-8")


FORGERIES = [
    pytest.param(edit_key, "it is of training somebody's", id="key"),
    pytest.param(edit_data, "it learned from data 000000000000", id="dataset"),
    pytest.param(edit_metrics, "this training never sealed its goap-manifest.json", id="metrics"),
    pytest.param(move_and_link, "a link or a file, not a directory", id="link"),
    pytest.param(replace_by_a_file, "a link or a file, not a directory", id="file"),
]
STEP = [pytest.param(edit_step, "this training never sealed its goap-manifest.json", id="step")]
UNFIT = [
    pytest.param(drop_a_tensor, "holds no tensor", id="missing tensor"),
    pytest.param(widen_a_tensor, "and the model has", id="shape"),
    pytest.param(halve_precision, "and the model has", id="type"),
]


@pytest.mark.parametrize(("forge", "why"), [*FORGERIES, *STEP])
def test_a_forged_checkpoint_is_passed_over_by_name_and_training_goes_on_from_the_one_before(
    bench: Any, forge: Callable[[Path], None], why: str
) -> None:
    directory = finished(bench, "forged")
    forge(newest(directory))
    said: dict[str, str] = {}
    entry = directory.store().newest_valid(said.__setitem__)
    assert entry is not None
    assert entry.step == 4
    assert [why in each for each in said.values()] == [True]


@pytest.mark.parametrize(
    ("forge", "why"),
    [*UNFIT, pytest.param(rewrite_state, "state.json holds no object", id="state")],
)
def test_one_that_the_model_cannot_go_on_from_is_a_failure_with_a_name(
    bench: Any, forge: Callable[[Path], None], why: str
) -> None:
    """Whoever forges the list as well is believed by the runner, and by no model."""
    directory = finished(bench, "forged")
    directory.forget_result()
    forge(newest(directory))
    ending = bench.run(directory)
    assert ending.failure is not None
    assert ending.failure.name == "checkpoint_invalid"
    assert why in ending.failure.message


@pytest.mark.parametrize(("forge", "why"), [*FORGERIES, *STEP, *UNFIT])
@pytest.mark.parametrize("command", ["export", "sample"])
def test_what_takes_a_model_out_names_the_newer_one_that_it_passed_over(
    bench: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    forge: Callable[[Path], None],
    why: str,
) -> None:
    directory = finished(bench, "taken")
    forge(newest(directory))
    out = tmp_path / ("cats.png" if command == "sample" else "cats.safetensors")
    words = [command, "--volume", str(bench.volume), "--key", "taken", str(out)]
    words += ["--count", "1", "--steps", "1"] if command == "sample" else []
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "step 4" in said.out
    assert why in said.err
    out.unlink()
    step = int(newest(directory).name.removeprefix("step-"))
    assert main([*words, "--step", str(step)]) == 1
    said = capsys.readouterr()
    assert f"step {step} of taken cannot be used" in said.err
    assert why in said.err
    assert not out.exists()
    assert main([*words, "--step", "4"]) == 0
    assert capsys.readouterr().err == ""


def test_a_whole_newest_checkpoint_is_used_without_a_word(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished(bench, "whole")
    edit_metrics(min(directory.checkpoints_path.glob("step-*")))  # an older one is nobody's matter
    words = ["export", "--volume", str(bench.volume), "--key", "whole", str(tmp_path / "x")]
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "step 8" in said.out
    assert said.err == ""
    assert main([*words, "--step", "6"]) == 1
    assert "step 6 of whole cannot be used: there is none" in capsys.readouterr().err


def test_a_newest_checkpoint_that_is_gone_is_missed_by_name(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished(bench, "gone")
    shutil.rmtree(newest(directory))
    words = ["export", "--volume", str(bench.volume), "--key", "gone", str(tmp_path / "x")]
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "step 4" in said.out
    assert f"{NEWEST} is gone, and the training ended with it" in said.err


def test_a_checkpoint_without_the_average_is_passed_over_and_named(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished(bench, "bare")
    path = newest(directory)
    files = {name: each for name, each in records(path).items() if name != "ema.safetensors"}
    reseal(path, files=files)
    list_as_saved(path)
    words = ["export", "--volume", str(bench.volume), "--key", "bare", str(tmp_path / "x")]
    capsys.readouterr()
    assert main(words) == 0
    assert f"{NEWEST} is passed over" in capsys.readouterr().err
    assert main([*words, "--average", "median"]) == 1
    assert "use one of: ema" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["spec.json", "verdict.json", "checkpoints", "checkpoints/saved.jsonl"]
)
@pytest.mark.parametrize("kind", ["directory", "file", "loop"])
def test_what_stands_in_the_place_of_something_else_is_no_traceback(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    directory = finished(bench, "odd")
    place = directory.path / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if kind == "directory":
        place.mkdir()
    elif kind == "file":
        place.write_text("odd", encoding="utf-8")
    else:
        place.symlink_to(place.name)
    on = ["--volume", str(bench.volume)]
    one = [*on, "--key", "odd"]
    capsys.readouterr()
    for words in (["list", *on], ["verify", *on], ["prune", *one], ["export", *one, "x"]):
        assert main(words) in (0, 1), words
        assert "Traceback" not in capsys.readouterr().err


def test_a_file_beside_the_trainings_hides_none_of_them(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(bench, "mine")
    (bench.volume / "trainings" / ".DS_Store").write_text("", encoding="utf-8")
    capsys.readouterr()
    assert main(["list", "--volume", str(bench.volume)]) == 0
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize("dim", [64, 128])
def test_a_checkpoint_of_another_training_is_passed_over_whatever_its_shape(
    bench: Any, dim: int
) -> None:
    other = finished(bench, "other", dim=dim)
    directory = finished(bench, "mine")
    directory.forget_result()
    shutil.rmtree(newest(directory))
    shutil.copytree(newest(other), directory.checkpoints_path / NEWEST)
    said: dict[str, str] = {}
    entry = directory.store().newest_valid(said.__setitem__)
    assert entry is not None
    assert entry.step == 4
    assert said == {NEWEST: "it is of training other"}
    assert bench.run(directory).status == "completed"


def test_a_whole_directory_under_another_key_holds_no_checkpoint_of_that_key(
    bench: Any, tmp_path: Path
) -> None:
    first = finished(bench, "first")
    shutil.copytree(first.path, bench.volume / "trainings" / "second")
    second = TrainingDirectory.local(bench.volume, "second")
    assert second.store().entries() == []
    with pytest.raises(CheckpointError, match="no valid checkpoint") as caught:
        export(second, tmp_path / "x.safetensors", print)
    assert "it is of training first" in str(caught.value)


def test_the_manifest_says_whose_it_is_and_the_list_names_it(bench: Any) -> None:
    directory = finished(bench, "said")
    manifest = json.loads((newest(directory) / "goap-manifest.json").read_bytes())
    assert (manifest["format"], manifest["training_key"]) == (4, "said")
    assert manifest["data"] == bench.dataset
    text = (newest(directory) / "goap-manifest.json").read_bytes()
    saved = read_saved(directory.checkpoints_path).manifests
    assert hashlib.sha256(text).hexdigest() in saved
    assert len(saved) == 2


@pytest.mark.parametrize("torn", [b'{"step": 4, "sha', b"\0\0\0", b"[]\n", b"{}\n", b"\n\n"])
def test_a_line_torn_by_a_kill_spoils_neither_those_before_nor_the_next(
    tmp_path: Path, torn: bytes
) -> None:
    add_saved(tmp_path, 1, "a" * 64)
    with (tmp_path / "saved.jsonl").open("ab") as file:
        file.write(torn)
    assert read_saved(tmp_path).manifests == {"a" * 64}
    add_saved(tmp_path, 2, "b" * 64)
    assert read_saved(tmp_path).manifests == {"a" * 64, "b" * 64}


def test_resume_says_each_thing_that_changed(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished(bench, "changed")
    directory.forget_result()
    path = newest(directory)
    state = json.loads((path / "state.json").read_bytes())
    then = {"torch": "1.0", "micro_batch": 7, "processes": 3, "dtype": "bfloat16", "threads": 9}
    (path / "state.json").write_text(json.dumps({**state, "arithmetic": then}), encoding="utf-8")
    reseal(path, files=records(path))
    list_as_saved(path)
    capsys.readouterr()
    bench.run(directory, micro_batch=8)
    lines = capsys.readouterr().out.splitlines()
    said = [line.partition("WARNING | ")[2] for line in lines if "the last bits" in line]
    assert [line.partition(":")[0] for line in said] == [
        "precision was bfloat16 and is float32",
        "threads was 9 and is 1",
        "micro-batch was 7 and is 8",
        "number of processes was 3 and is 1",
        f"torch was 1.0 and is {torch.__version__}",
    ]


def test_resume_in_the_same_way_says_nothing(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = finished(bench, "same")
    directory.forget_result()
    capsys.readouterr()
    bench.run(directory)
    assert "last bits" not in capsys.readouterr().out
