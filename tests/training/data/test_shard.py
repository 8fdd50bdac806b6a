"""Reading a prepared dataset: the split, the default, the speed of asking whether it is current."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data import synthetic
from training.data.folder import listing
from training.data.prepare import prepare
from training.data.shard import Dataset, load
from training.learn.photos import Photos
from training.learn.task import Draws


def dataset(labels: list[int], content: str = "00ff" * 16) -> Dataset:
    images = np.zeros((len(labels), 8, 8, 3), dtype=np.uint8)
    classes = tuple(f"c{number}" for number in range(max(labels) + 1))
    return Dataset("x", "folder", content, "d", images, np.array(labels, dtype=np.int64), classes)


@pytest.mark.parametrize(
    ("labels", "held"),
    [
        ([0], 1),
        ([0, 0], 1),
        ([0, 1], 0),
        ([0] * 10, 3),
        ([0] * 100 + [1] * 20 + [2], 13),
    ],
)
def test_a_tenth_of_each_class_and_at_least_three_photos_are_held_out(
    labels: list[int], held: int
) -> None:
    data = dataset(labels)
    train, valid = data.split()
    if len(labels) == 1 or held == 0:
        assert train.tolist() == valid.tolist() == list(range(len(labels)))
    else:
        assert len(valid) == held
        assert sorted([*train, *valid]) == list(range(len(labels)))


def test_the_split_depends_on_the_content_alone() -> None:
    labels = [0] * 50 + [1] * 50
    first, same, other = dataset(labels), dataset(labels), dataset(labels, "abcd" * 16)
    assert first.split()[1].tolist() == same.split()[1].tolist()
    assert first.split()[1].tolist() != other.split()[1].tolist()


def test_each_drawn_breed_is_drawn_the_same_way_again_and_unlike_the_others() -> None:
    again = [synthetic.draw(breed, 3, 32) for breed in synthetic.BREEDS]
    assert all(
        np.array_equal(image, synthetic.draw(breed, 3, 32))
        for image, breed in zip(again, synthetic.BREEDS, strict=True)
    )
    means = {}
    for breed in synthetic.BREEDS:
        faces = np.stack([synthetic.draw(breed, number, 16) for number in range(6)])
        assert len(np.unique(faces.reshape(6, -1), axis=0)) == 6
        means[breed.name] = faces[:, 3:13, 3:13].astype(float).mean(0)
    correct = 0
    for breed in synthetic.BREEDS:
        for number in range(6, 12):
            face = synthetic.draw(breed, number, 16)[3:13, 3:13].astype(float)
            nearest = min(means, key=lambda name: float(np.square(means[name] - face).mean()))
            correct += nearest == breed.name
    assert correct >= 6 * len(synthetic.BREEDS) * 0.8


def test_a_changed_file_is_noticed_by_its_size_and_date(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"Bengal_{number}.jpg").write_bytes(b"x")
    before = listing(tmp_path).fingerprint
    (tmp_path / "Bengal_7.jpg").write_bytes(b"xy")
    assert listing(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    "module",
    [
        "compute.image",
        "compute.local",
        "data.shard",
        "errors",
        "key",
        "learn.config",
        "own",
        "runner.checkpoints",
        "store.commit",
        "store.retention",
        "store.volume",
    ],
)
def test_what_the_command_line_imports_is_light(module: str) -> None:
    code = (
        f"import sys, training.{module}\n"
        "heavy = {'torch', 'modal', 'numpy', 'PIL', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_decoding_full_size_jpegs_every_step_the_shard_needs_neither_photos_nor_a_decoder(
    tmp_path: Path,
) -> None:
    """A predecessor decoded every photo at every step: 70 images per CPU-second."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        picture = Image.fromarray(synthetic.draw(synthetic.BREEDS[number], 0, 64))
        picture.save(folder / f"{number}.jpg")
    name = prepare(folder, tmp_path, 16).digest
    shutil.rmtree(folder)
    code = (
        "import sys; from pathlib import Path; from training.data.shard import load\n"
        f"data = load(Path({str(tmp_path)!r}), {name!r})\n"
        "print(data.images[[3, 0, 3]].shape, type(data.images).__name__, 'PIL' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "(3, 16, 16, 3) memmap False\n"


def test_dataset_smaller_than_batch_is_loaded_and_split(tmp_path: Path) -> None:
    """A predecessor's loader dropped the only, incomplete batch and looped for ever."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / f"{number}.png")
    data = load(tmp_path, prepare(folder, tmp_path, 16).digest)
    photos = Photos(data, data.split()[0], torch.device("cpu"), augment=True)
    images, labels = photos.batch(32, Draws(0, 5, 0, torch.device("cpu")))
    assert (tuple(images.shape), len(labels)) == ((32, 16, 16, 3), 32)
