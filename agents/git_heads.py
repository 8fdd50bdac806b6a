"""The branch and the commit that a repository is at, whatever bytes its names are made of.

GitPython reads names of branches as UTF-8, and one that is not keeps it from reading any.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git import Repo

__all__ = ["checked_out", "head_of"]

NO_SUCH_NAME = 1


def checked_out(repository: "Repo") -> str:
    """The branch that is checked out; empty where none is.

    Raises:
        GitCommandError: Git cannot read the repository.
    """
    return _said(repository, "symbolic-ref", "-q", "--short", "HEAD")


def head_of(repository: "Repo", branch: str = "") -> str:
    """The commit of a branch, or of what is checked out; empty where there is none yet.

    Raises:
        GitCommandError: Git cannot read the repository.
    """
    name = f"refs/heads/{branch}" if branch else "HEAD"
    return _said(repository, "rev-parse", "-q", "--verify", f"{name}^{{commit}}")


def _said(repository: "Repo", *words: str) -> str:
    from git.exc import GitCommandError  # noqa: PLC0415 - costs a tenth of a second

    status, said, problem = repository.git.execute(
        ["git", *words], with_extended_output=True, stdout_as_string=False, with_exceptions=False
    )
    if status not in (0, NO_SUCH_NAME):  # the repository is gone, or git does not trust it
        raise GitCommandError(["git", *words], status, problem)
    return os.fsdecode(said).rstrip("\n")
