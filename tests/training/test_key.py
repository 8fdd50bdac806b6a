"""The training key: what is in it, and what is not."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from training.compute.image import REQUIREMENTS, pins
from training.data.shard import DatasetManifest
from training.key import KeyParts, source_digest, training_key
from training.learn.config import Execution, TrainingConfig, resolve
from training.own import HOW, key_settings, order_of

ROOT = Path(__file__).parents[2]
PARTS = KeyParts(
    command=("python", "train.py"),
    settings={"steps": 10, "lr": 0.1},
    source="s",
    requirements=("numpy==2", "torch==2"),
    apt=("git", "vim"),
    python="3.11",
    env={"A": "1", "B": "2"},
    data="d",
)


def test_the_key_of_these_parts_is_this_for_ever() -> None:
    assert training_key(PARTS) == "88eb3c2ef1bba0e2"


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("python", "train2.py")},
        {"command": ("train.py", "python")},
        {"settings": {"steps": 11, "lr": 0.1}},
        {"settings": {"steps": 10}},
        {"source": "other"},
        {"requirements": ("numpy==2", "torch==3")},
        {"apt": ()},
        {"python": "3.12"},
        {"env": {"A": "1", "B": "3"}},
        {"data": "other"},
        {"init": "weights"},
    ],
)
def test_each_part_changes_the_key(change: dict[str, object]) -> None:
    assert training_key(replace(PARTS, **change)) != training_key(PARTS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"lr": 0.1, "steps": 10}},
        {"requirements": ("torch==2", "numpy==2")},
        {"apt": ("vim", "git")},
        {"env": {"B": "2", "A": "1"}},
    ],
)
def test_no_order_changes_the_key(change: dict[str, object]) -> None:
    assert training_key(replace(PARTS, **change)) == training_key(PARTS)  # type: ignore[arg-type]


def test_a_setting_that_is_no_number_at_all_has_no_key() -> None:
    with pytest.raises(ValueError, match="JSON"):
        training_key(replace(PARTS, settings={"lr": float("nan")}))


def dataset(digest: str = "d", name: str = "cats-16px") -> DatasetManifest:
    return DatasetManifest(
        name=name,
        kind="folder",
        source="/photos",
        source_fingerprint="f",
        image_size=16,
        images=1,
        classes=("cat",),
        skipped=(),
        content="c",
        digest=digest,
        sha256={},
        created="2026-01-01T00:00:00+00:00",
    )


def key(config: TrainingConfig, manifest: DatasetManifest | None = None) -> str:
    return order_of(config, manifest or dataset()).key


@pytest.mark.parametrize(
    "spelling",
    [{"steps": "150"}, {"steps": 150}, {"learning_rate": "0.003"}, {"learning_rate": "3e-3"}],
)
def test_no_spelling_of_a_value_changes_the_key(spelling: dict[str, object]) -> None:
    assert key(resolve("dit", "smoke", spelling)) == key(resolve("dit", "smoke"))


@pytest.mark.parametrize("name", sorted(set(TrainingConfig.model_fields) - {"model", "preset"}))
def test_a_setting_changes_the_key_unless_it_changes_no_weight(name: str) -> None:
    config = resolve("dit", "smoke")
    value = getattr(config, name)
    other: object = {
        "betas": (0.8, 0.9),
        "ema_stds": (0.2,),
        "precision": "bf16",
        "augment": False,
        "sampler": "euler",
        "image_size": 32,
        "patch": 8,
        "dim": 128,
        "heads": 4,
    }.get(name, value / 2 if isinstance(value, float) else None)
    changed = config.model_copy(update={name: value + 1 if other is None else other})
    kept = {"keep_last", "keep_every", "judged_share"}
    assert (key(changed) == key(config)) == (name in kept)


def test_names_hardware_and_how_it_is_run_are_in_no_key() -> None:
    config = resolve("dit", "smoke")
    assert key(config, dataset(name="other-16px")) == key(config)
    assert key(config.model_copy(update={"preset": "mine"})) == key(config)
    assert key(config, dataset(digest="other")) != key(config)
    assert set(key_settings(config)).isdisjoint(HOW)
    asked = order_of(config, dataset(), Execution(threads=7, micro_batch=2))
    assert asked.key == key(config)
    assert (asked.settings["threads"], asked.settings["micro_batch"]) == (7, 2)


def test_two_clones_side_by_side_have_the_same_keys(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copytree(ROOT / "training", clone / "training")
    shutil.copy(ROOT / "constraints.txt", clone)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from training.data.shard import DatasetManifest\n"
        "from training.learn.config import resolve\nfrom training.own import order_of\n"
        "manifest = DatasetManifest.model_validate_json(sys.argv[2])\n"
        "print(order_of(resolve('dit', 'smoke'), manifest).key)"
    )
    words = [sys.executable, "-P", "-c", code, str(clone), dataset().model_dump_json()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == key(resolve("dit", "smoke"))


def test_without_pins_the_installed_versions_are_the_requirements(tmp_path: Path) -> None:
    pinned, installed = pins(), pins(tmp_path / "constraints.txt")
    assert [line.partition("==")[0] for line in pinned] == sorted(REQUIREMENTS)
    assert pinned == installed  # `make venv` installs what is pinned
    (tmp_path / "constraints.txt").write_text("# pins\nTorch==9.9  # later\n", encoding="utf-8")
    assert "torch==9.9" in pins(tmp_path / "constraints.txt")


def repository() -> list[str]:
    """Every file of this repository, tracked or about to be."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def is_learned_from(name: str) -> bool:
    inside = name.startswith("training/learn/") and name.endswith(".py")
    return inside or name in ("training/data/decode.py", "training/data/shard.py")


def test_a_comment_changes_the_key_exactly_where_it_is_learned_from(tmp_path: Path) -> None:
    names = repository()
    assert sum(map(is_learned_from, names)) > 10
    for name in names:
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    before = source_digest(tmp_path / "training")
    assert before == source_digest()
    for name in names:
        copy = tmp_path / name
        content = copy.read_bytes()
        copy.write_bytes(content + b"\n# a comment\n")
        assert (source_digest(tmp_path / "training") != before) == is_learned_from(name), name
        copy.write_bytes(content)
    assert source_digest(tmp_path / "training") == before


def test_what_an_editor_leaves_beside_the_source_is_no_part_of_it(tmp_path: Path) -> None:
    copy = tmp_path / "training"
    shutil.copytree(ROOT / "training", copy)
    learn = copy / "learn"
    (learn / ".flow.py").write_text("half of it", encoding="utf-8")
    (learn / ".#flow.py").symlink_to("somebody@somewhere.1234")  # a lock; it points nowhere
    (learn / ".ipynb_checkpoints").mkdir()
    (learn / ".ipynb_checkpoints" / "flow-checkpoint.py").write_text("", encoding="utf-8")
    (learn / "flow.py.orig").write_text("", encoding="utf-8")
    assert source_digest(copy) == source_digest()


def test_a_renamed_file_is_another_source_and_a_newer_one_is_not(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "training", tmp_path / "training")
    before = source_digest(copy)
    (copy / "learn" / "flow.py").touch()
    assert source_digest(copy) == before
    (copy / "learn" / "flow.py").rename(copy / "learn" / "flows.py")
    assert source_digest(copy) != before


def test_what_is_learned_by_knows_neither_where_it_runs_nor_who_carries_it() -> None:
    rooms = ("training.compute", "training.script", "training.judge", "training.track")
    for path in sorted((ROOT / "training" / "learn").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not [room for room in rooms if f"from {room}" in text or f"import {room}" in text]
