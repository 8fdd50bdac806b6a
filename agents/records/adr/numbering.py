"""Numbers of ADRs: given under a lock, over the working trees and all branches."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agents.machine import lock_file
from agents.records.adr.documents import adr_number
from agents.records.commits import open_repository
from agents.records.places import ADR_FOLDER

if TYPE_CHECKING:
    from git import Git

__all__ = ["numbering_lock", "path_on_branches", "taken_numbers"]


@contextmanager
def numbering_lock(repo: Path) -> Iterator[None]:
    """Hold the lock under which records of ``repo`` are written; waits for other processes.

    The lock is on a directory that is there anyway (the common git directory, so that worktrees
    share it, else ``repo`` itself) and leaves no file behind.
    """
    folder = _lock_folder(repo)
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock_file(handle, fcntl.LOCK_EX, folder)
        yield
    finally:
        os.close(handle)


def taken_numbers(repo: Path) -> set[int]:
    """Numbers of all ADRs in the working tree, in other worktrees and on every branch."""
    names = _names_in(repo / ADR_FOLDER)
    repository = open_repository(repo)
    if repository is not None:
        with repository:
            prefix = repo.resolve().relative_to(Path(str(repository.working_dir)).resolve())
            folder = (prefix / ADR_FOLDER).as_posix()
            for tree in _worktrees(str(repository.git.worktree("list", "--porcelain"))):
                names |= _names_in(tree / folder)
            for tree_id in _trees_of_branches(repository.git, folder):
                names |= set(repository.git.ls_tree("--name-only", "-z", tree_id).split("\0"))
    return {number for name in names if (number := adr_number(name)) is not None}


def path_on_branches(repo: Path, marker: str) -> str:
    """The path of the ADR that holds ``marker`` on another branch; empty where none does."""
    repository = open_repository(repo)
    if repository is None:
        return ""
    with repository:
        prefix = repo.resolve().relative_to(Path(str(repository.working_dir)).resolve())
        folder = (prefix / ADR_FOLDER).as_posix()
        for tree_id in _trees_of_branches(repository.git, folder):
            lines = repository.git.grep(
                "-l", "-F", "-e", marker, tree_id, with_exceptions=False
            ).splitlines()
            if lines:
                return f"{ADR_FOLDER}/{lines[0].partition(':')[2]}"
    return ""


def _lock_folder(repo: Path) -> Path:
    repository = open_repository(repo)
    if repository is not None:
        with repository:
            return Path(repository.common_dir)
    repo.mkdir(parents=True, exist_ok=True)
    return repo


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _worktrees(listing: str) -> list[Path]:
    marker = "worktree "
    return [Path(line[len(marker) :]) for line in listing.splitlines() if line.startswith(marker)]


def _trees_of_branches(git: "Git", folder: str) -> list[str]:
    """Ids of the different versions of ``folder`` at the tips of all branches."""
    tips = str(git.for_each_ref("--format=%(objectname)", "refs/heads", "refs/remotes")).split()
    if not tips:
        return []
    with tempfile.TemporaryFile() as questions:
        questions.write("".join(f"{tip}:{folder}\n" for tip in sorted(set(tips))).encode())
        questions.seek(0)
        answers = git.cat_file("--batch-check=%(objectname) %(objecttype)", istream=questions)
    trees = [line.split()[0] for line in str(answers).splitlines() if line.endswith(" tree")]
    return sorted(set(trees))
