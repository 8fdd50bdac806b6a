"""The repository around the records: what state it is in, and commits that hold nothing else.

Git is optional: a plain folder is fine as long as nothing shall be committed. The work is done
by git itself through GitPython, because ``index.commit()`` of GitPython would take along whatever
the user has staged.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.errors import ActionFailed, Permanent
from agents.git_heads import checked_out, head_of
from agents.ledger.payloads import RepositoryState

if TYPE_CHECKING:
    from git import Repo

__all__ = [
    "changed_paths",
    "check_committable",
    "commit_paths",
    "open_repository",
    "repository_state",
]

_IN_PROGRESS = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}


def open_repository(folder: Path) -> "Repo | None":
    """The repository ``folder`` is in; None where there is none, or no git on this machine."""
    try:
        from git import Repo  # noqa: PLC0415 - costs a tenth of a second
        from git.exc import InvalidGitRepositoryError, NoSuchPathError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        repository = Repo(folder, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None
    return None if repository.bare else repository


def repository_state(folder: Path) -> RepositoryState | None:
    """Commit, dirty flag and branch of the repository around ``folder``; None without one."""
    repository = open_repository(folder)
    if repository is None:
        return None
    with repository:
        return RepositoryState(
            commit=head_of(repository),
            dirty=bool(repository.git.status("--porcelain")),
            branch=checked_out(repository),
        )


def check_committable(
    folder: Path, paths: Sequence[str], is_ours: Callable[[str, str, str | None], bool]
) -> None:
    """Refuse before anything is written when a commit of ``paths`` could take users' work along.

    Args:
        folder: The root of the records; ``paths`` are relative to it.
        paths: Files that may be committed.
        is_ours: Whether a version of a file differs from the committed one (None where there is
            none) by generated text only: (path, version, committed).

    Raises:
        ActionFailed: There is no repository, HEAD is detached, a merge or rebase is going on, or
            a file has changes of the user.
    """
    repository = open_repository(folder)
    if repository is None:
        raise _refused(f"{folder} is not in a git repository", "leave commit=true out")
    with repository:
        names = [_name(repository, folder, path) for path in paths]
        ignored = set(repository.ignored(*names)) if names else set()
        for path, name in zip(paths, names, strict=True):
            if name in ignored:
                raise _refused(f"git ignores {path}", f"git check-ignore -v {path} says why")
        for name, what in _IN_PROGRESS.items():
            if (Path(repository.git_dir) / name).exists():
                raise _refused(f"{what} is going on", "finish it, then run again")
        if not checked_out(repository):
            raise _refused("HEAD is detached", "git switch BRANCH")
        for path in paths:
            _refuse_changed(repository, folder, path, is_ours)


def changed_paths(folder: Path, paths: Sequence[str]) -> list[str]:
    """Those of ``paths`` that differ from the last commit; all where there is no repository."""
    repository = open_repository(folder)
    if repository is None:
        return list(paths)
    with repository:
        changed, _ = _changed(repository, folder, paths)
    return list(changed)


def commit_paths(folder: Path, paths: Sequence[str], message: Callable[[list[str]], str]) -> str:
    """Commit exactly ``paths`` as they are in the working tree; returns the commit, or "".

    Empty when none of them differs from the last commit. ``message`` is made of the paths that
    do. The user's index and working tree stay
    as they are.

    Raises:
        ActionFailed: Git, or a hook, refused; the files stay uncommitted.
    """
    from git.exc import GitCommandError  # noqa: PLC0415

    repository = open_repository(folder)
    if repository is None:
        raise _refused(f"{folder} is not in a git repository", "leave commit=true out")
    with repository:
        changed, new = _changed(repository, folder, paths)
        if not changed:
            return ""
        try:
            if new:
                repository.git.add("-N", "--", *new)
            repository.git.commit(
                "--quiet", "--only", "-m", message(list(changed)), "--", *changed.values()
            )
        except GitCommandError as error:
            if new:
                repository.git.reset("--quiet", "--", *new)
            said = (str(error.stderr) + str(error.stdout)).strip()
            raise _refused(
                f"git did not commit: {said}", "correct what git or the hook says, then run again"
            ) from error
        return head_of(repository)


def _changed(
    repository: "Repo", folder: Path, paths: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Path → name in the repository of what is not committed, and the names git does not know."""
    names = {path: _name(repository, folder, path) for path in paths}
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *names.values())
    status = repository.git.status(*options) if names else ""
    states = {entry[3:]: entry[:2] for entry in status.split("\0")}
    changed = {path: name for path, name in names.items() if name in states}
    return changed, [name for name in changed.values() if states[name] == "??"]


def _refuse_changed(
    repository: "Repo",
    folder: Path,
    path: str,
    is_ours: Callable[[str, str, str | None], bool],
) -> None:
    name = _name(repository, folder, path)
    committed = _blob(repository, f"HEAD:{name}") if head_of(repository) else None
    versions = [_blob(repository, f":{name}")]
    file = folder / path
    if file.is_file():
        versions.append(file.read_bytes().decode("utf-8", "surrogateescape"))
    elif committed is not None:
        raise _refused(f"{path} was deleted and that is not committed", f"git restore {path}")
    for version in versions:
        # an empty version is a file that was only announced, with `git add -N`
        if version and version != committed and not is_ours(path, version, committed):
            raise _refused(
                f"{path} has changes of yours that are not committed",
                f"commit or discard them (git diff HEAD -- {path}), then run again",
            )


def _blob(repository: "Repo", name: str) -> str | None:
    """The bytes of a blob; None where there is none."""
    status, output, _ = repository.git.cat_file(
        "blob",
        name,
        with_extended_output=True,
        with_exceptions=False,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
    )
    return bytes(output).decode("utf-8", "surrogateescape") if status == 0 else None


def _name(repository: "Repo", folder: Path, path: str) -> str:
    root = Path(str(repository.working_tree_dir)).resolve()
    return (folder.resolve() / path).relative_to(root).as_posix()


def _refused(message: str, fix: str) -> ActionFailed:
    return Permanent(
        f"the records were not committed: {message}",
        fix=fix,
        name="commit_refused",
    )
