"""FID by a network from a file; here a small one: Inception is not part of the project."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from training.__main__ import main
from training.errors import ConfigError
from training.judge.fid import fid, load_features
from training.judge.quality import thumbnail_distance


class Thumbnails(nn.Module):
    """Answers as Inception's file does: scores, unless it is asked for features."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        if not return_features:
            return images.float().mean((1, 2, 3))[:, None]
        small = nn.functional.interpolate(images.float() / 127.5 - 1, (8, 8), mode="area")
        return small.flatten(1)


class OneNumber(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean()


def saved(network: nn.Module, path: Path) -> str:
    """Write a TorchScript file and return its checksum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_distance_is_that_of_the_networks_features(bench: Any, tmp_path: Path) -> None:
    from training.data.shard import load
    from training.learn.augment import to_unit

    directory = bench.make("drawn", steps=2, sample_steps=2, judged_samples=0)
    bench.run(directory)
    sha256 = saved(Thumbnails(), tmp_path / "net.pt")
    features = load_features(tmp_path / "net.pt", sha256)
    found = fid(directory, features, sha256, count=70)
    assert (found.step, found.samples, found.photos, found.dimensions) == (2, 70, 96, 192)
    assert found == fid(directory, features, sha256, count=70)
    photos = torch.from_numpy(load(bench.volume, bench.dataset).images.copy())
    itself = thumbnail_distance(to_unit(photos[:48]), to_unit(photos[48:]))
    assert found.distance > itself
    assert "70 images are fewer than the 192 features, so it is too large" in found.described()


def test_the_command_says_the_figure_and_all_it_depends_on(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = bench.make("told", steps=2, sample_steps=2, judged_samples=0)
    bench.run(directory)
    sha256 = saved(Thumbnails(), tmp_path / "net.pt")
    command = ["fid", "--volume", str(bench.volume), "--key", "told", "--count", "8"]
    command += ["--features", str(tmp_path / "net.pt")]
    assert main(command) == 1
    assert f"if you trust the file: --sha256 {sha256}" in capsys.readouterr().err
    assert main([*command, "--sha256", sha256]) == 0
    said = capsys.readouterr().out
    assert said.startswith("FID ")
    assert (
        f"8 samples of step 2 against 96 photos of {bench.dataset}, network {sha256[:12]}" in said
    )


def test_a_file_that_is_missing_or_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        load_features(tmp_path / "inception.pt")
    assert "curl -o inception.pt https://" in caught.value.fix
    path = tmp_path / "text.pt"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no TorchScript file"):
        load_features(path, hashlib.sha256(b"hello").hexdigest())
    features = load_features(tmp_path / "one.pt", saved(OneNumber(), tmp_path / "one.pt"))
    with pytest.raises(ConfigError, match=r"returned \(\) for 4 images"):
        features(torch.zeros(4, 16, 16, 3, dtype=torch.uint8))
