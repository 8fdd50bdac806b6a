"""What an error of the machine means to a person: what happened, where, and what to do about it.

The one boundary for what Python, the system and git raise. A door asks it before it says that
something should not happen, and so does a run whose step ended like that.
"""

import errno
import fcntl
import getpass
import os
from typing import TYPE_CHECKING, NamedTuple

from agents.errors import (
    ActionFailed,
    FailureClass,
    GoapError,
    Transient,
    UsageError,
    disk_full,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["account", "explained", "lock_file"]


class _Meaning(NamedTuple):
    says: str
    fix: str


_DENIED = _Meaning(
    "this account may not use {where}", "use another path, or let this account use it: ls -ld"
)
_NO_LOCKS = _Meaning(
    "the file system of {where} has no locks", "use a folder on a disk of this machine: state=DIR"
)
_BROKEN = _Meaning("the disk of {where} fails ({said})", "use another disk; dmesg says more")
_MEANINGS = {
    errno.ENAMETOOLONG: _Meaning("the name {where} is too long", "use one of at most 255 bytes"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _Meaning("{where} can only be read", "use another path; state=DIR for the state"),
    errno.ENOENT: _Meaning("{where} is not there", "make it, or name another path"),
    errno.ENOTDIR: _Meaning("{where} leads through a file, not a folder", "name another path"),
    errno.EISDIR: _Meaning("{where} is a folder, not a file", "name a file"),
    errno.EEXIST: _Meaning("{where} is there already, and is not a folder", "name another path"),
    errno.ELOOP: _Meaning("the links of {where} lead in a circle", "name another path"),
    errno.EMFILE: _Meaning("too many files are open in this process", "ulimit -n 4096"),
    errno.ENFILE: _Meaning("too many files are open on this machine", "close some programs"),
    errno.ENOLCK: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.EIO: _BROKEN,
    errno.ESTALE: _Meaning("the network folder of {where} is gone", "mount it again"),
    errno.ENOMEM: _Meaning("the memory of this machine is used up", "close some programs"),
    errno.EAGAIN: _Meaning("no process can be started now", "close some programs, or ulimit -u"),
    errno.E2BIG: _Meaning(
        "a command line is too long for this system", "use fewer or shorter words"
    ),
}
_LONGEST = 120
"""A name is said up to here: one that is too long would fill the screen."""


def explained(error: BaseException) -> GoapError | None:
    """The error that an exception stands for; None where it is a fault of ours."""
    if isinstance(error, GoapError):
        return error
    if not _is_there():
        removed = "the directory that this was started in was removed"
        return UsageError(removed, fix="cd to another one")
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return _of_memory()
    if type(error).__module__.partition(".")[0] == "git":
        return _of_git(error)
    return _of_python(error)


def _is_there() -> bool:
    # a package may meet the missing directory first, and each says it in another way
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _of_system(error: OSError) -> GoapError | None:
    if isinstance(error, FileNotFoundError) and error.filename == "git":
        return UsageError("git is not installed", fix="install git")
    if isinstance(error, ConnectionError | TimeoutError):
        said = error.strerror or str(error) or type(error).__name__
        return Transient(f"a connection failed: {said}", fix="the same command again")
    full = disk_full(error, "this machine")
    if full is not None:
        return full
    if "No usable temporary directory" in str(error):
        return UsageError(
            "there is no folder for temporary files: /tmp is full or can only be read",
            fix="free some space there, or name another: export TMPDIR=DIR",
        )
    meaning = _MEANINGS.get(error.errno or 0)
    if meaning is None:
        if not error.strerror:
            return None
        meaning = _Meaning("{where} cannot be used: {said}", "use another path")
    where = _where(error)
    return UsageError(meaning.says.format(where=where, said=error.strerror), fix=meaning.fix)


def _where(error: OSError) -> str:
    """The file that the system named; else the line of ours, or of a package, that asked."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if names:
        name = os.fsdecode(names[0])
        name = name.encode("utf-8", "backslashreplace").decode()
        return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}… ({len(name)} characters)"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "a file"
    code = trace.tb_frame.f_code
    return f"a file ({os.path.basename(code.co_filename)}:{trace.tb_lineno})"  # noqa: PTH119


def _of_memory() -> GoapError:
    return ActionFailed(
        "the memory of this machine is used up",
        fix="close some programs, or ask for less",
        failure_class=FailureClass.RESOURCE,
        name="out_of_memory",
    )


def _of_git(error: BaseException) -> GoapError | None:
    kind = type(error).__name__
    if kind == "GitCommandNotFound":
        return UsageError("git is not installed", fix="install git")
    said = str(getattr(error, "stderr", "") or error).strip()
    folder = said.partition("detected dubious ownership in repository at '")[2].partition("'")[0]
    if folder:
        return UsageError(
            f"git refuses the repository {folder}: it belongs to another account",
            fix=f"git config --global --add safe.directory {folder}",
        )
    line = next((each for each in said.splitlines() if "fatal:" in each or "error:" in each), said)
    line = line.replace("stderr: ", "").strip(" '")
    return UsageError(
        f"git failed: {line or kind}", fix="correct that, then the same command again"
    )


def _of_python(error: BaseException) -> GoapError | None:
    said = str(error)
    if isinstance(error, ValueError) and "embedded null" in said:
        return UsageError("a value holds a null character", fix="leave it out")
    if isinstance(error, RuntimeError) and "home directory" in said:
        return UsageError("this account has no home directory", fix="export HOME=DIR")
    if isinstance(error, UnicodeEncodeError):
        letters = error.object[error.start : error.end]
        return UsageError(
            f"{letters!a} cannot be written in {error.encoding}",
            fix="use other letters, or a locale in UTF-8: export PYTHONUTF8=1",
        )
    return None


def lock_file(descriptor: int, how: int, path: "Path") -> None:
    """Take a lock of the system (``fcntl.LOCK_…``) on an open file; errors name the file.

    Raises:
        BlockingIOError: Somebody else holds it, and ``how`` says not to wait.
        OSError: The file system has no locks.
    """
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        error.filename = str(path)
        raise


def account() -> str:
    """The name of the account that this runs as; its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
