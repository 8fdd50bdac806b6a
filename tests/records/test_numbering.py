"""Numbers are given once, whoever asks and wherever."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from told import write_records

from agents.records.adr.by_hand import new_adr
from agents.records.adr.numbering import taken_numbers

MAKE = """
import sys
from pathlib import Path
from agents.records.adr.by_hand import new_adr
for number in range(int(sys.argv[2])):
    new_adr(Path(sys.argv[1]), f"Thing {sys.argv[3]} {number}", author="Ada")
"""


def _numbers(root: Path) -> list[int]:
    return sorted(int(path.name[4:7]) for path in (root / "plans").glob("ADR-*.md"))


def _make_at_once(start, root: Path, count: int, each: int) -> None:
    started = [
        start([sys.executable, "-c", MAKE, str(root), str(each), str(index)])
        for index in range(count)
    ]
    assert [process.wait() for process in started] == [0] * count


def test_processes_that_ask_at_once_get_different_numbers(repository, processes):
    _make_at_once(processes, repository.root, count=3, each=5)
    assert _numbers(repository.root) == list(range(1, 16))


@pytest.mark.slow
def test_eight_processes_that_make_fifty_adrs_each_get_four_hundred_numbers(repository, processes):
    _make_at_once(processes, repository.root, count=8, each=50)
    numbers = _numbers(repository.root)
    print(f"8 processes x 50 ADRs: {len(numbers)} files, {len(set(numbers))} numbers")
    assert numbers == list(range(1, 401))


def test_threads_that_ask_at_once_get_different_numbers_in_a_plain_folder(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: new_adr(tmp_path, f"Thing {n}", author="Ada"), range(12)))
    assert _numbers(tmp_path) == list(range(1, 13))
    assert [path.name for path in tmp_path.iterdir()] == ["plans"]


def test_numbers_of_other_branches_and_worktrees_are_taken(repository, tmp_path):
    repository.git("switch", "-q", "-c", "feature")
    repository.commit("plans/ADR-007-on-a-branch.md", "# ADR-007: x\n")
    repository.git("switch", "-q", "main")
    repository.git("update-ref", "refs/remotes/origin/far", "feature")
    repository.git("branch", "-q", "-D", "feature")
    worktree = tmp_path / "worktree"
    repository.git("worktree", "add", "-q", "-b", "other", str(worktree))
    (worktree / "plans").mkdir()
    (worktree / "plans/ADR-011-not-committed.md").write_text("# ADR-011: y\n", encoding="utf-8")
    assert taken_numbers(repository.root) == {7, 11}
    assert new_adr(repository.root, "Next", author="Ada").name == "ADR-012-next.md"


def test_a_folder_inside_a_repository_counts_its_own_adrs(repository):
    repository.commit("docs/plans/ADR-003-inner.md", "# ADR-003: x\n")
    repository.commit("plans/ADR-009-outer.md", "# ADR-009: x\n")
    assert taken_numbers(repository.root / "docs") == {3}


def test_the_same_decision_keeps_its_number_on_another_branch(story, repository):
    repository.commit("plans/ADR-004-old.md", "# ADR-004: Old\n\n**Status:** Accepted\n")
    repository.git("switch", "-q", "-c", "feature")
    story.train("r1")
    write_records(story.events, repository.root, commit=True)
    written = repository.files()
    repository.git("switch", "-q", "main")
    assert not (repository.root / "plans/INDEX.md").exists()
    write_records(story.events, repository.root)
    assert repository.files() == written
    assert re.search(r"ADR-005-promote", " ".join(written))
