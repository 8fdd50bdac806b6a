"""Odd machines: each is met with one clear line, which says what, where, and what to do."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agents.__main__ import ROOT
from agents.cli.main import invoke
from agents.errors import FailureClass, GoapError, Transient, UsageError
from agents.machine import account, explained
from agents.records import repository_state
from agents.run.failures import classify
from agents.run.lock import exclusive, holders
from agents.watching.source import Place

LONG = "n" * 300


def system(number, name=None):
    return OSError(number, os.strerror(number), name)


@pytest.fixture
def call(kit, capfd):
    """A command in the kitchen; or, where it needs what is ours, in the whole program."""

    def call(*words, root=None, code=2):
        capfd.readouterr()
        assert invoke(root or (lambda: kit.catalogue), list(words)) == code, words
        return capfd.readouterr()

    return call


def one_clear_line(said):
    """An error says what in one line, then how to mend it; nothing of our insides."""
    lines = said.strip().splitlines()
    assert [line.partition(":")[0].strip() for line in lines] == ["error", "fix"], said
    assert "should not happen" not in said
    assert all(len(line) < 300 for line in lines)
    return lines[0]


@pytest.mark.parametrize(
    ("error", "says", "mends"),
    [
        (system(errno.EACCES, "/a"), "this account may not use /a", "ls -ld"),
        (system(errno.EROFS, "/a"), "/a can only be read", "state=DIR"),
        (system(errno.ENAMETOOLONG, LONG), f"the name {'n' * 120}… (300 characters)", "255"),
        (system(errno.ENOTDIR, "/f/a"), "/f/a leads through a file", "another path"),
        (system(errno.EISDIR, b"/a\xff"), "/a\\udcff is a folder", "name a file"),
        (system(errno.ENOLCK, "/n/lock"), "the file system of /n/lock has no locks", "state=DIR"),
        (system(errno.EOPNOTSUPP, "/n"), "has no locks", "state=DIR"),
        (system(errno.EMFILE), "too many files are open", "ulimit -n"),
        (system(errno.EIO, "/d"), "the disk of /d fails", "dmesg"),
        (system(errno.ESTALE, "/nfs"), "the network folder of /nfs is gone", "mount"),
        (system(errno.EXDEV, "/x"), "/x cannot be used: Invalid cross-device link", "path"),
        (system(errno.ENOSPC, "/d"), "no space left on the disk of /d", "free some space"),
        (system(errno.ENOSPC), "no space left on the disk of this machine", "free some space"),
        (FileNotFoundError(2, "No such file", "git"), "git is not installed", "install git"),
        (
            FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
            "no folder for temporary files",
            "TMPDIR",
        ),
        (ValueError("embedded null byte"), "null character", "leave it out"),
        (RuntimeError("Could not determine home directory."), "no home directory", "HOME=DIR"),
        (UnicodeEncodeError("ascii", "a→", 1, 2, "no"), "'\\u2192' cannot be written in ascii", ""),
        (MemoryError(), "the memory of this machine is used up", "ask for less"),
        (ConnectionResetError(104, "reset by peer"), "a connection failed: reset", "again"),
    ],
)
def test_what_the_machine_raises_is_said_as_what_where_and_how_to_mend_it(error, says, mends):
    told = explained(error)
    assert isinstance(told, GoapError)
    assert says in told.message
    assert mends in told.fix
    assert told.fix


def test_where_the_system_names_no_file_the_line_that_asked_is_named():
    with pytest.raises(OSError, match="Operation not permitted") as caught:
        raise system(errno.EPERM)
    assert "test_odd_machines.py:" in explained(caught.value).message


def test_a_fault_of_ours_stays_one():
    for error in (KeyError("x"), ValueError("x"), RuntimeError("x"), TypeError("x")):
        assert explained(error) is None


def test_a_step_that_meets_an_odd_machine_says_the_same():
    failed = classify(system(errno.EROFS, "/a"))
    assert failed.message.startswith("/a can only be read (OSError: ")
    assert (failed.name, failed.failure_class) == ("OSError", FailureClass.UNKNOWN)
    assert classify(MemoryError()).failure_class is FailureClass.RESOURCE
    assert isinstance(classify(ConnectionResetError("gone")), Transient)


LOOKING = [
    ("plan", "goal=served"),
    ("run", "goal=served"),
    ("status", "goal=served"),
    ("runs",),
    ("show", "last"),
    ("report", "last"),
    ("watch", "goal=served", "--once"),
    ("doctor",),
]


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: words[0])
def test_a_state_that_can_be_none_is_refused_by_every_command(call, tmp_path, words):
    file = tmp_path / "FILE"
    file.write_text("mine", encoding="utf-8")
    for state in (file, file / "deeper", tmp_path / LONG, Path("/dev/null")):
        line = one_clear_line(call(*words, f"state={state}").err)
        assert line.startswith("error: the state directory /")
        assert "cannot be used: " in line
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_directory_that_was_removed_under_us_is_said_by_every_command(
    call, tmp_path, monkeypatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for words in (("plan", "goal=trained_dit"), ("goals",), ("docs", "check"), ("doctor",)):
        said = call(*words, root=ROOT).err
        assert one_clear_line(said) == "error: the directory that this was started in was removed"


def test_a_null_character_is_refused_in_every_word(call):
    for words in (("plan", "goal=a\0b"), ("runs", "state=a\0b"), ("docs", "check", "root=a\0b")):
        assert "null character" in one_clear_line(call(*words, root=ROOT).err)


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A repository that git takes for that of another account."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    empty = ["commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(["git", "-C", folder, *name, *empty], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    return folder


def test_a_repository_of_another_account_is_named_with_the_command_that_allows_it(
    call, foreign, monkeypatch
):
    monkeypatch.chdir(foreign)
    said = call("adr", "new", "A decision", root=ROOT).err
    line = one_clear_line(said)
    assert line == f"error: git refuses the repository {foreign}: it belongs to another account"
    assert f"git config --global --add safe.directory {foreign}" in said
    with pytest.raises(Exception, match="dubious ownership") as caught:
        repository_state(foreign)
    assert explained(caught.value).message in line
    assert Place(foreign)  # naming a place asks git nothing


def test_what_git_says_is_kept_when_it_refuses_for_another_reason(foreign, monkeypatch):
    from git import Repo
    from git.exc import GitCommandError

    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    with Repo(foreign) as repository, pytest.raises(GitCommandError) as caught:
        repository.git.cat_file("blob", "HEAD:nothing")
    told = explained(caught.value)
    assert told.message.startswith("git failed: fatal: ")
    assert "nothing" in told.message


def test_without_git_there_is_a_line_where_git_is_needed(call, foreign, monkeypatch):
    monkeypatch.chdir(foreign)
    monkeypatch.setenv("PATH", "/nonexistent")
    line = one_clear_line(call("adr", "new", "A decision", root=ROOT).err)
    assert line == "error: git is not installed"


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise system(errno.ENOLCK)

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available") as caught, exclusive(tmp_path, {}):
        pass
    told = explained(caught.value)
    assert told.message == f"the file system of {tmp_path / 'run.lock'} has no locks"
    assert holders(tmp_path) == []


def test_a_full_temporary_folder_is_named(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null/x"])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.mkdtemp()
    assert "export TMPDIR=DIR" in explained(caught.value).fix


@pytest.mark.skipif(os.geteuid() == 0, reason="this account may write everywhere")
def test_a_folder_that_can_only_be_read_is_named(call, tmp_path):
    tmp_path.chmod(0o555)
    line = one_clear_line(call("run", "goal=served", f"state={tmp_path / 'state'}").err)
    assert "Permission denied" in line


def test_a_run_where_nobody_else_may_read_is_like_any_other(kit, call):
    before = os.umask(0o077)
    try:
        call("run", "goal=served", f"state={kit.state}", code=0)
        call("show", "last", f"state={kit.state}", code=0)
        call("run", "goal=served", f"state={kit.state}", code=0)
    finally:
        os.umask(before)
    assert (kit.state / "ledger.db").stat().st_mode & 0o077 == 0


def test_an_account_without_a_name_has_a_number(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_uid):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert account() == f"uid {os.getuid()}"


@pytest.mark.slow
def test_letters_that_a_locale_lacks_are_printed_all_the_same(tmp_path):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "agents", "runs", "--json", f"state={tmp_path}", "nö→=1"],
        env={**os.environ, **plain},
        capture_output=True,
        check=False,
    )
    assert done.returncode == UsageError.exit_code
    assert b'"ok": false' in done.stdout
    assert b"should not happen" not in done.stdout + done.stderr
