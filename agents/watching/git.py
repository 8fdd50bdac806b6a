"""The source of ``git.commit``: commits on a branch, with the paths they touch."""

from datetime import datetime
from pathlib import Path
from typing import Self

from agents.declare.triggers import COMMIT, Trigger
from agents.errors import UsageError
from agents.git_heads import checked_out, head_of
from agents.ledger.chain import json_text
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import GitCommit, GitSeen
from agents.ledger.store import Ledger
from agents.watching.source import Place, last_event

__all__ = ["GitSource"]

MOST_COMMITS = 200
"""More than this at once is a merge of years; the newest say enough."""


class GitSource:
    """Commits on one branch of one repository.

    Args:
        folder: A folder inside the repository.
        branch: The branch; empty means the one that is checked out.

    Raises:
        UsageError: There is no repository.
    """

    def __init__(self, folder: Path, branch: str = "") -> None:
        from git import Repo  # noqa: PLC0415 - costs a tenth of a second
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415

        try:
            self._repo = Repo(folder, search_parent_directories=True)
        except (InvalidGitRepositoryError, NoSuchPathError):
            raise UsageError(
                f"{folder.absolute()} is in no git repository, so no commit can be seen",
                fix="git init, or watch a goal without a git.commit trigger: goal=G",
            ) from None
        self._branch = branch
        self._last: dict[str, str] = {}

    @staticmethod
    def serves(trigger: Trigger, place: Place) -> tuple[Path, str] | None:
        """The branch in the repository of a place."""
        return (place.root, trigger.branch) if trigger.event == COMMIT else None

    @classmethod
    def open(cls, trigger: Trigger, place: Place) -> Self:
        """The source of the trigger's branch in the repository of a place.

        Raises:
            UsageError: There is no repository.
        """
        return cls(place.root, trigger.branch)

    @property
    def source(self) -> str:
        """The identity of the repository in the ledger."""
        return json_text(f"git:{self._repo.working_dir}")

    def poll(self, ledger: Ledger, now: datetime) -> None:
        """Append the commits since the last one the ledger has, oldest first."""
        branch, head = self._head()
        if not head:
            return
        if branch not in self._last:
            self._last[branch] = self._remembered(ledger, branch, head, now)
        if head == self._last[branch]:
            return
        for commit in self._commits(self._last[branch], head):
            paths = tuple(map(json_text, self._paths(commit)))
            made = GitCommit(commit=commit, branch=json_text(branch), paths=paths)
            ledger.receive(self._event(made, now))
        self._last[branch] = head

    def waiting(self, now: datetime) -> str:  # noqa: ARG002 - commits have no due time
        """The branch, and where it is."""
        branch, head = self._head()
        where = f"{branch} of {self._repo.working_dir}"
        return f"commits on {json_text(where)} (now {head[:10] or 'none'})"

    def close(self) -> None:
        """End the processes of git that were kept for the next question."""
        self._repo.close()

    def _head(self) -> tuple[str, str]:
        branch = self._branch or checked_out(self._repo)
        return branch or "HEAD", head_of(self._repo, branch)

    def _remembered(self, ledger: Ledger, branch: str, head: str, now: datetime) -> str:
        seen = GitSeen(commit=head, branch=json_text(branch))
        last = last_event(ledger, (GitCommit, GitSeen), self.source, seen.branch)
        if last is not None:
            return last.commit
        ledger.append(self._event(seen, now))
        return head

    def _commits(self, last: str, head: str) -> list[str]:
        from git.exc import GitCommandError  # noqa: PLC0415

        try:
            commits = self._repo.git.rev_list("--reverse", f"{last}..{head}", "--").split()
        except GitCommandError:  # the last one is gone: the branch was rewritten
            commits = [head]
        return [str(each) for each in commits[-MOST_COMMITS:]]

    def _event(self, seen: GitSeen, now: datetime) -> Event:
        return new_event(
            seen,
            source=self.source,
            subject=seen.branch,
            id=f"{seen.type} {seen.branch} {seen.commit}",
            clock=lambda: now,
        )

    def _paths(self, commit: str) -> list[str]:
        parents = self._repo.commit(commit).parents
        before = [parents[0].hexsha] if parents else ["--root"]
        listed = self._repo.git.diff_tree(
            "--no-commit-id", "--name-only", "-r", "-z", *before, commit
        )
        return [path for path in str(listed).split("\0") if path]
