"""One class knows where things lie on a volume; nobody else spells a name of it."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from training.store.directory import TrainingDirectory
from training.store.lease import Lease
from training.store.volume import LocalVolume

ROOT = Path(__file__).parents[2]
NAMES = ("datasets", "trainings", "checkpoints", "commits", "sweeps")
KNOWS = {
    "training/store/layout.py": "what is of one training, for the runner too",
    "training/store/directory.py": "what is beside trainings",
    "training/store/earlier.py": "what it knows is the layout of before",
    "training/declare/checks.py": "an argument of a declaration is called so",
    "training/declare/check_shapes.py": "an argument of a declaration is called so",
    "training/runner/order.py": "a field of an order is called so",
    "agents/__main__.py": "a command is called so",
    "actions/commands/trainings.py": "a command is called so, and what it answers",
    "agents/watching/deliveries.py": "services call so what was pushed",
    "training/contract.py": "one file for scripts, which imports nothing: it knows its own folder",
}
AMONG_CHECKPOINTS = ("step-", "state.json", "saved.jsonl", "pinned.json")
KNOWS_CHECKPOINTS = {
    "training/store/names.py": "it is the one",
    "training/contract.py": "it is copied alone, beside a script of anybody's",
}


def texts(path: Path) -> Iterator[str]:
    """Every text of a program that is no documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in documentation:
            yield text


def spells(text: str) -> bool:
    return any(f"{name}/" in text or text == name for name in NAMES)


def spells_checkpoints(text: str) -> bool:
    return text.startswith(AMONG_CHECKPOINTS)


def spelled(by: Callable[[str], bool]) -> dict[str, list[str]]:
    """Every module of ours that spells such names, with them."""
    modules = {}
    for room in ("agents", "actions", "goals", "training", "templates"):
        for path in sorted((ROOT / room).rglob("*.py")):
            modules[path.relative_to(ROOT).as_posix()] = [each for each in texts(path) if by(each)]
    return {name: names for name, names in modules.items() if names}


def test_names_on_the_volume_are_spelled_in_one_place() -> None:
    assert spelled(spells).keys() == KNOWS.keys()


def test_names_among_checkpoints_are_spelled_in_one_place() -> None:
    assert spelled(spells_checkpoints).keys() == KNOWS_CHECKPOINTS.keys()


def test_that_a_name_is_spelled_would_be_found() -> None:
    assert any(spells(text) for text in texts(ROOT / "training" / "store" / "directory.py"))
    assert spells("trainings/x/metrics.jsonl")
    assert not spells("checkpoints are kept")


class Elsewhere(LocalVolume):
    """A volume that is not on this machine."""

    @property
    def local_root(self) -> None:  # type: ignore[override]
        return None


def test_a_training_elsewhere_is_read_through_the_port_and_has_no_path(tmp_path: Path) -> None:
    here = TrainingDirectory.local(tmp_path, "0123456789abcdef")
    there = TrainingDirectory(Elsewhere(tmp_path), here.key)
    assert (here.begin_attempt(), there.begin_attempt(), here.attempts) == (1, 2, 2)
    Lease(here.volume, here).take("fc-1")
    assert there.lease == "fc-1"
    with pytest.raises(Exception, match="is not on this machine"):
        print(there.metrics_path)


def test_the_last_row_is_found_without_reading_the_whole_of_a_long_training(
    tmp_path: Path,
) -> None:
    directory = TrainingDirectory.local(tmp_path, "long")
    directory.path.mkdir(parents=True)
    row = '{"step": %d, "loss": 0.5, "note": "' + "x" * 200 + '"}\n'
    with directory.metrics_path.open("w", encoding="utf-8") as file:
        file.writelines(row % step for step in range(5_000))
    asked = []

    class Counting(LocalVolume):
        def read_bytes(self, path: str) -> bytes:
            asked.append(path)
            return super().read_bytes(path)

    last = TrainingDirectory(Counting(tmp_path), "long").last_metrics()
    assert last is not None
    assert last["step"] == 4_999
    assert asked == []


def test_a_call_is_given_up_only_when_it_gets_no_further(tmp_path: Path) -> None:
    directory = TrainingDirectory.local(tmp_path, "k")
    lease = Lease(directory.volume, directory)
    assert [lease.count_start("fc-1") for _ in range(3)] == [1, 2, 3]
    (directory.root / directory.checkpoint_name(4)).mkdir(parents=True)
    assert [lease.count_start("fc-1") for _ in range(2)] == [1, 2]
    assert lease.count_start("fc-2") == 1


@pytest.mark.parametrize(
    ("start", "length", "read"),
    [
        (0, None, b"0123456789"),
        (4, None, b"456789"),
        (4, 2, b"45"),
        (-3, None, b"789"),
        (-30, None, b"0123456789"),
        (30, None, b""),
        (-3, 2, b"78"),
    ],
)
def test_a_part_of_a_file_can_be_read(
    tmp_path: Path, start: int, length: int | None, read: bytes
) -> None:
    volume = LocalVolume(tmp_path)
    volume.write_bytes("a/b", b"0123456789")
    assert volume.size("a/b") == 10
    assert volume.size("a") is volume.size("a/c") is None
    assert volume.read_range("a/b", start, length) == read
