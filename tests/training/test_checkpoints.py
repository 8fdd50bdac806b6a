"""Checkpoints of our own script: whole and as they were sealed, or they do not exist."""

import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training.errors import CheckpointError
from training.runner.sealed import Checkpoint
from training.store.tensorfile import write_files
from training.store.weights import read_weights

KINDS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


def tensors(seed: int = 0, size: int = 64) -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    model = {f"layer{i}.weight": torch.randn(size, size, generator=generator) for i in range(3)}
    return {
        "model": model,
        "ema": {name: value * 0.5 for name, value in model.items()},
        "optimizer": {f"{name}.exp_avg": value.square() for name, value in model.items()},
    }


def reports(shelf: Any) -> tuple[Checkpoint | None, dict[str, str]]:
    said: dict[str, str] = {}
    return shelf.store.newest_valid(said.__setitem__), said


def test_what_was_written_is_read_back_to_the_last_bit(shelf: Any) -> None:
    entry = shelf.save(50, tensors(), {"loss": 0.25})
    for stem, part in tensors().items():
        found = read_weights(entry, stem)
        assert found.keys() == part.keys()
        assert all(torch.equal(found[name], value) for name, value in part.items())
    assert (entry.step, entry.metrics, entry.path.name) == (50, {"loss": 0.25}, "step-00000050")


def test_the_files_are_what_the_safetensors_library_reads(tmp_path: Path) -> None:
    odd = {f"t{i}": torch.arange(5).to(kind) for i, kind in enumerate(KINDS)}
    odd["empty"] = torch.empty(0, 3)
    odd["scalar"] = torch.tensor(2.5)
    odd["strided"] = torch.arange(12.0).reshape(3, 4).t()
    odd["gradient"] = torch.nn.Parameter(torch.ones(2))
    write_files(tmp_path, {"model": odd}, {"note": "é"})
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == odd.keys()
    assert all(found[name].dtype == odd[name].dtype for name in odd)
    assert all(torch.equal(found[name], odd[name]) for name in odd)
    assert json.loads((tmp_path / "state.json").read_bytes()) == {"note": "é"}


def test_only_the_file_that_is_asked_for_is_read(shelf: Any) -> None:
    entry = shelf.save(1, tensors())
    (entry.path / "optimizer.safetensors").write_bytes(b"broken")
    assert read_weights(entry, "ema").keys() == tensors()["ema"].keys()
    with pytest.raises(CheckpointError, match="holds no classifier"):
        read_weights(entry, "classifier")
    with pytest.raises(CheckpointError, match="6 bytes"):
        read_weights(entry, "optimizer")


def test_tensors_survive_the_deletion_of_their_checkpoint(shelf: Any) -> None:
    entry = shelf.save(1, tensors())
    found = read_weights(entry, "model")
    for file in entry.path.iterdir():
        file.unlink()
    found["layer0.weight"].add_(0.0)
    assert torch.equal(found["layer0.weight"], tensors()["model"]["layer0.weight"])


def test_steps_sort_by_their_number_and_not_by_date(shelf: Any) -> None:
    for step in (900, 1000, 150):
        os.utime(shelf.save(step, tensors()).path, (step % 7, step % 7))
    assert [entry.step for entry in shelf.store.entries()] == [150, 900, 1000]


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "goap-manifest.json"])
@pytest.mark.parametrize("damage", [flip_bit, truncate, Path.unlink, lengthen])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
    shelf: Any, damage: Callable[[Path], None], file: str
) -> None:
    good, bad = shelf.save(10, tensors(1)), shelf.save(20, tensors(2))
    damage(bad.path / file)
    entry, said = reports(shelf)
    assert entry == good
    assert list(said) == ["step-00000020"]


def test_what_is_not_a_checkpoint_is_reported_and_passed_over(shelf: Any) -> None:
    good = shelf.save(10, tensors())
    (shelf.root / "step-00000099").mkdir()
    (shelf.root / "step-00000098").mkdir()
    (shelf.root / "step-00000098" / "manifest.json").write_text("[]", encoding="utf-8")
    (shelf.root / "file").write_text("", encoding="utf-8")
    subprocess.run(["cp", "-r", good.path, shelf.root / "step-00000011"], check=True)
    entry, said = reports(shelf)
    assert entry == good
    assert sorted(said) == ["step-00000011", "step-00000098", "step-00000099"]
    assert "copy of step 10" in said["step-00000011"]


def test_a_linked_file_is_no_part_of_a_checkpoint(shelf: Any) -> None:
    file = shelf.save(10, tensors()).path / "model.safetensors"
    file.rename(shelf.root / "elsewhere")
    file.symlink_to(shelf.root / "elsewhere")
    found, said = reports(shelf)
    assert found is None
    assert list(said) == ["step-00000010"]


def test_a_linked_directory_is_not_a_checkpoint(shelf: Any) -> None:
    entry = shelf.save(10, tensors())
    entry.path.rename(shelf.root.parent / "precious")
    entry.path.symlink_to(shelf.root.parent / "precious")
    assert shelf.store.entries() == []


def test_weights_only_false_no_pickle_is_ever_loaded(shelf: Any, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = shelf.root / "step-00000010"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(pickle.dumps(Payload()))
    (entry,) = shelf.seal()
    with pytest.raises(CheckpointError, match="safetensors format"):
        read_weights(entry, "model")
    assert not (tmp_path / "executed").exists()
