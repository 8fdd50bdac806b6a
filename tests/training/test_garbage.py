"""What nothing cites is found and deleted; a kill at any point leaves nothing half."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.compute.spending import accounts_of
from training.store.garbage import Citations, Item, delete, items_of, uncited
from training.store.volume import LocalVolume

OLD, KEPT, FIRST = "a1" * 8, "b2" * 8, "c3" * 8
DATA, NEEDED = "d4" * 32, "e5" * 32
IMAGE, SWEEP = "f6" * 32, "0123456789abcdef"
FILES = {
    f"trainings/{OLD}/spec.json": json.dumps({"key": OLD, "data": DATA}),
    f"trainings/{OLD}/account.jsonl": json.dumps(
        {"attempt": 1, "call": "fc", "state": "ended", "gpu": "", "device": "", "began": 5.0}
        | {"seconds": 10.0, "usd_per_hour": [360.0, 360.0, 360.0]}
    )
    + "\n",
    f"trainings/{OLD}/checkpoints/step-00000001/goap-manifest.json": "{}",
    f"trainings/{KEPT}/spec.json": json.dumps({"key": KEPT, "data": NEEDED, "init": FIRST}),
    f"trainings/{FIRST}/spec.json": json.dumps({"key": FIRST}),
    f"datasets/{DATA}/manifest.json": "{}",
    f"datasets/{DATA}/files/a.jpg": "x" * 100,
    f"datasets/{NEEDED}/manifest.json": "{}",
    f"datasets/sources/{'77' * 32}.json": json.dumps({"digest": DATA}),
    f"datasets/sources/{'88' * 32}.json": json.dumps({"digest": NEEDED}),
    f"datasets/sources/upload-{OLD}/{0:020}": "piece",
    f"images/{IMAGE}.json": "{}",
    f"images/{IMAGE}.source/source/train.py": "",
    f"sweeps/{SWEEP}.json": json.dumps({"best": OLD}),
    "downloads/pets.tar": "it stays",
}
GONE = [
    f"datasets/{DATA}",
    f"datasets/sources/upload-{OLD}",
    f"images/{IMAGE}.json",
    f"images/{IMAGE}.source",
    f"sweeps/{SWEEP}.json",
    f"trainings/{OLD}",
]


class Killed(BaseException):
    """A process is killed here."""


class Mortal(LocalVolume):
    """A volume on which a process is killed at one of its changes, before it or in its midst."""

    def __init__(self, root: Path, lives: float = float("inf")) -> None:
        super().__init__(root)
        self.lives = lives

    def write_bytes(self, path: str, content: bytes) -> None:
        self._dies()
        super().write_bytes(path, content)

    def remove(self, path: str) -> None:
        self._dies()
        below = [each.path for each in self.files(path)]
        for each in below:  # in whatever order the files of a directory go
            super().remove(each)
            self._dies()
        super().remove(path)

    def _dies(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Killed


@pytest.fixture
def volume(tmp_path: Path) -> Mortal:
    made = Mortal(tmp_path)
    for path, text in FILES.items():
        made.write_bytes(path, text.encode())
    return made


def gone(volume: Mortal, *texts: str, before: float = float("inf")) -> list[Item]:
    cited = Citations()
    for text in texts:
        cited.read(text)
    return uncited(volume, items_of(volume), cited, before)


def test_what_is_cited_stays_with_all_that_it_needs(volume: Mortal):
    found = gone(volume, f"decided by training {KEPT}")
    assert sorted(each.path for each in found) == GONE
    sizes = {each.path: each.size for each in found}
    assert sizes[f"datasets/{DATA}"] == 102
    staged = gone(volume, KEPT, OLD, IMAGE, SWEEP)
    assert [each.kind for each in staged] == ["staged", "staged"]


@pytest.mark.parametrize("shortened", [OLD, OLD[:8], f"training {OLD[:12]}, and more"])
def test_an_id_may_be_shortened_to_eight_digits(volume: Mortal, shortened: str):
    kept = {each.path for each in gone(volume, shortened)}
    assert f"trainings/{OLD}" not in kept
    assert f"datasets/{DATA}" not in kept
    assert f"trainings/{OLD}" in {each.path for each in gone(volume, OLD[:7])}


def test_what_is_young_stays_with_all_that_it_needs(volume: Mortal):
    assert gone(volume, before=0.0) == []


def everything(volume: Mortal, found: Callable[[], list[Item]]) -> None:
    for item in found():
        delete(volume, item)


def test_killed_at_any_change_it_is_whole_or_gone_and_the_next_one_deletes_the_rest(
    volume: Mortal, tmp_path: Path
):
    deaths = 0
    while True:
        for path, text in FILES.items():
            LocalVolume(tmp_path).write_bytes(path, text.encode())
        volume.lives = deaths
        try:
            everything(volume, lambda: gone(volume, KEPT))
        except Killed:
            volume.lives = float("inf")
            check(volume)
            everything(volume, lambda: gone(volume, KEPT))
            check_end(volume)
            deaths += 1
        else:
            break
    assert deaths > 12
    check_end(volume)


def check(volume: Mortal) -> None:
    """What was used is known, and data with a manifest is whole."""
    assert [(each.key, each.usd) for each in accounts_of(volume)] == [(OLD, (1.0, 1.0, 1.0))]
    if volume.exists(f"datasets/{DATA}/manifest.json"):
        assert volume.exists(f"datasets/{DATA}/files/a.jpg")
    if volume.exists(f"datasets/sources/{'77' * 32}.json"):
        assert volume.exists(f"datasets/{DATA}/manifest.json")


def check_end(volume: Mortal) -> None:
    check(volume)
    assert [each.path for each in items_of(volume)] == [
        f"datasets/{NEEDED}",
        f"trainings/{KEPT}",
        f"trainings/{FIRST}",
    ]
    assert [each.path for each in volume.files("downloads")] == ["downloads/pets.tar"]
    sources = volume.files("datasets/sources")
    assert [each.path for each in sources] == [f"datasets/sources/{'88' * 32}.json"]


def test_a_training_that_is_deleted_twice_used_what_both_used(volume: Mortal):
    name = f"trainings/{OLD}/account.jsonl"
    first = volume.read_bytes(name)
    delete(volume, next(each for each in gone(volume) if each.path == f"trainings/{OLD}"))
    second = {**json.loads(first), "began": 99.0}
    volume.write_bytes(name, f"{json.dumps(second)}\n{{torn".encode())
    everything(volume, lambda: gone(volume))
    assert [(each.key, each.seconds) for each in accounts_of(volume)] == [(OLD, 20.0)]
