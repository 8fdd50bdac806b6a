"""A dataset is what it holds and how it was prepared; what its folder is called is a label."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors import safe_open

from training.__main__ import main
from training.data.origin import label_of
from training.data.prepare import prepare
from training.data.shard import DatasetManifest, dataset_digest, load, read_manifest
from training.data.sources import fault_of, is_current, prepared_of
from training.learn.config import resolve
from training.own import order_of
from training.store.directory import TrainingDirectory, dataset_digests
from training.store.volume import LocalVolume

LITTLE = ["steps=4", "save_every=2", "log_every=2", "sample_steps=2", "validate_every=4", "batch=4"]
LITTLE += ["warmup_steps=0", "judged_samples=0"]


def draw(folder: Path, *classes: str, shade: int = 0) -> Path:
    """A folder with four photos of each class."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            colour = (60 * place + shade, 50 * number, 90)
            Image.new("RGB", (20, 20), colour).save(folder / name / f"{number}.png")
    return folder


def began(benches: Any, volume: Path, folder: Path, *settings: str) -> str:
    """Train on a folder until the first checkpoint; returns the key."""
    changes = dict(setting.split("=") for setting in (*LITTLE, *settings))
    config = resolve("dit", "smoke", changes)
    manifest = prepare(folder, volume, config.image_size)
    order = order_of(config, manifest)
    directory = TrainingDirectory.local(volume, order.key)
    directory.write_order(order)
    assert benches(volume, manifest.digest).run(directory, deadline=1.0).status == "interrupted"
    return order.key


def exported(volume: Path, key: str, out: Path) -> dict[str, str]:
    assert main(["export", "--volume", str(volume), "--key", key, str(out)]) == 0
    with safe_open(out, "pt") as file:
        about: dict[str, str] = file.metadata()
    return about


def test_two_folders_of_one_name_are_two_datasets_and_each_model_keeps_its_classes(
    benches: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = tmp_path / "volume"
    classes = {"here": ("green", "red"), "there": ("apple", "zebra")}
    folders = {place: draw(tmp_path / place / "photos", *names) for place, names in classes.items()}
    keys = {place: began(benches, volume, folder) for place, folder in folders.items()}
    assert len(set(keys.values())) == 2
    assert len(dataset_digests(LocalVolume(volume))) == 2
    for place, key in keys.items():
        about = exported(volume, key, tmp_path / f"{place}.safetensors")
        assert json.loads(about["classes"]) == list(classes[place])
        directory = TrainingDirectory.local(volume, key)
        order = directory.read_order()
        assert order is not None
        assert about["dataset"] == order.data
        assert order.label == "photos-16px"
        (entry, *_) = directory.store().entries()
        assert json.loads((entry.path / "goap-manifest.json").read_bytes())["data"] == order.data
        mine, other = classes[place][0], next(c for p, c in classes.items() if p != place)[0]
        words = ["sample", "--volume", str(volume), "--key", key, str(tmp_path / "x.png")]
        words += ["--count", "1", "--steps", "1", "--label"]
        assert main([*words, mine]) == 0
        capsys.readouterr()
        assert main([*words, other]) == 1
        assert f"use one of: {', '.join(classes[place])}" in capsys.readouterr().err


def test_content_that_changed_under_the_same_name_is_another_dataset_and_old_models_keep_theirs(
    benches: Any,
    tmp_path: Path,
) -> None:
    volume, folder = tmp_path / "volume", draw(tmp_path / "photos", "green", "red")
    first = began(benches, volume, folder)
    draw(folder, "blue", "green", "red", shade=9)
    second = began(benches, volume, folder)
    assert first != second
    assert json.loads(exported(volume, first, tmp_path / "1")["classes"]) == ["green", "red"]
    assert json.loads(exported(volume, second, tmp_path / "2")["classes"]) == [
        "blue",
        "green",
        "red",
    ]
    assert main(["train", "--volume", str(volume), "--key", first]) in (0, 1)
    ending = TrainingDirectory.local(volume, first).read_ending()
    assert ending is not None
    assert ending.status == "completed"


def test_the_same_photos_in_two_folders_are_one_dataset_with_two_labels(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    one = prepare(draw(tmp_path / "one", "green", "red"), volume, 16)
    two = prepare(draw(tmp_path / "two", "green", "red"), volume, 16)
    assert one.digest == two.digest
    assert (one.name, two.name) == ("one-16px", "two-16px")
    assert dataset_digests(LocalVolume(volume)) == [one.digest]
    for name, manifest in (("one", one), ("two", two)):
        assert prepared_of(LocalVolume(volume), tmp_path / name, 16) == manifest
        assert is_current(manifest, tmp_path / name)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("кошки", "кошки-16px"),
        ("Кошки И Коты", "кошки-и-коты-16px"),
        ("猫", "猫-16px"),
        ("---", "photos-16px"),
        ("   ", "photos-16px"),
        ("Cat Faces!", "cat-faces-16px"),
        ("cat_faces", "cat-faces-16px"),
        ("e\u0301te\u0301", "été-16px"),
    ],
)
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str, label: str) -> None:
    volume, folder = tmp_path / "volume", draw(tmp_path / name, "green", "red")
    assert label_of(folder, 16) == label
    manifest = prepare(folder, volume, 16)
    assert manifest.name == label
    assert prepared_of(LocalVolume(volume), folder, 16) == manifest
    assert load(volume, manifest.digest).classes == ("green", "red")


def test_names_that_are_equal_once_they_are_normalised_are_still_two_datasets(
    tmp_path: Path,
) -> None:
    volume, names = tmp_path / "volume", ("Cat Faces", "cat-faces", "cat_faces!", "CAT FACES")
    made = {
        name: prepare(draw(tmp_path / name, "a", f"b{number}"), volume, 16)
        for number, name in enumerate(names)
    }
    assert {manifest.name for manifest in made.values()} == {"cat-faces-16px"}
    assert len({manifest.digest for manifest in made.values()}) == len(names)
    for name, manifest in made.items():
        assert prepared_of(LocalVolume(volume), tmp_path / name, 16) == manifest
        assert load(volume, manifest.digest).classes == manifest.classes


def test_kind_size_and_the_way_it_is_prepared_are_part_of_what_a_dataset_is() -> None:
    digests = {
        dataset_digest("c", "folder", 16),
        dataset_digest("d", "folder", 16),
        dataset_digest("c", "pets", 16),
        dataset_digest("c", "folder", 32),
        dataset_digest("c", "folder", 16, preparation=2),
    }
    assert len(digests) == 5


def test_what_was_prepared_in_another_way_is_not_current(tmp_path: Path) -> None:
    volume, folder = tmp_path / "volume", draw(tmp_path / "photos", "green", "red")
    manifest = prepare(folder, volume, 16)
    earlier = dataset_digest(manifest.content, "folder", 16, preparation=0)
    assert is_current(manifest, folder)
    assert not is_current(manifest.model_copy(update={"digest": earlier}), folder)


def test_a_photo_that_is_added_and_unusable_makes_no_other_dataset(tmp_path: Path) -> None:
    volume, folder = tmp_path / "volume", draw(tmp_path / "photos", "green", "red")
    before = prepare(folder, volume, 16)
    (folder / "red" / "broken.jpg").write_text("no photo", encoding="utf-8")
    assert not is_current(before, folder)
    after = prepare(folder, volume, 16)
    assert (after.digest, len(after.skipped)) == (before.digest, 1)
    assert is_current(after, folder)


def swap(volume: Path, one: DatasetManifest, two: DatasetManifest) -> None:
    """Put one dataset where the other is looked for."""
    place = volume / "datasets"
    (place / two.digest).rename(place / "aside")
    (place / one.digest).rename(place / two.digest)
    (place / "aside").rename(place / one.digest)


def test_a_dataset_in_the_place_of_another_is_refused_by_name(
    benches: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = tmp_path / "volume"
    key = began(benches, volume, draw(tmp_path / "photos", "green", "red"))
    (mine,) = dataset_digests(LocalVolume(volume))
    manifest = read_manifest(volume, mine)
    assert manifest is not None
    swap(volume, manifest, prepare(draw(tmp_path / "zoo", "apple", "zebra"), volume, 16))
    assert read_manifest(volume, mine) is None
    assert main(["train", "--volume", str(volume), "--key", key]) == 1
    assert f"dataset {mine[:12]} is not in" in capsys.readouterr().err
    capsys.readouterr()
    out = tmp_path / "x.safetensors"
    assert main(["export", "--volume", str(volume), "--key", key, str(out)]) == 1
    assert "it names the classes" in capsys.readouterr().err
    assert not out.exists()
    assert "is that of another one" in fault_of(LocalVolume(volume), manifest)
    again = prepare(tmp_path / "photos", volume, 16)
    assert again.digest == mine
    assert fault_of(LocalVolume(volume), again) == ""
    assert main(["train", "--volume", str(volume), "--key", key]) in (0, 1)
    ending = TrainingDirectory.local(volume, key).read_ending()
    assert ending is not None
    assert ending.status == "completed"


@pytest.mark.parametrize("file", ["images.npy", "labels.npy"])
def test_nothing_is_trained_on_photos_that_were_changed_in_place(
    benches: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    volume = tmp_path / "volume"
    key = began(benches, volume, draw(tmp_path / "photos", "red", "green"))
    (path,) = volume.glob(f"datasets/*/{file}")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert main(["train", "--volume", str(volume), "--key", key]) == 1
    assert "not those of its digest" in capsys.readouterr().err


def test_a_folder_in_the_home_of_nobody_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["prepare", "~nobody-at-all/photos", "--volume", str(tmp_path / "volume")]
    assert main(words) == 1
    assert "does not exist" in capsys.readouterr().err
