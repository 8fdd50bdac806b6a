"""The branch and the commit that a repository is at, whatever bytes its names are made of.

GitPython reads names of branches as UTF-8, and one that is not keeps it from reading any.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git import Repo

__all__ = ["checked_out", "head_of"]


def checked_out(repository: "Repo") -> str:
    """The branch that is checked out; empty where none is."""
    return _said(repository, "symbolic-ref", "-q", "--short", "HEAD")


def head_of(repository: "Repo", branch: str = "") -> str:
    """The commit of a branch, or of what is checked out; empty where there is none yet."""
    name = f"refs/heads/{branch}" if branch else "HEAD"
    return _said(repository, "rev-parse", "-q", "--verify", f"{name}^{{commit}}")


def _said(repository: "Repo", *words: str) -> str:
    said = repository.git.execute(["git", *words], stdout_as_string=False, with_exceptions=False)
    return os.fsdecode(said).rstrip("\n")
