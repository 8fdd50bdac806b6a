"""Names and texts of others that are no UTF-8, or no text at all, stop no trigger."""

import json
import os
import subprocess
from datetime import UTC, datetime

import pytest

from agents.cli.main import invoke
from agents.declare.triggers import on
from agents.ledger.store import Ledger
from agents.watching.source import Place
from agents.watching.sources import opened

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATIN = os.fsdecode(b"caf\xe9")
"""What a name was on a machine before UTF-8, as Python has it."""


def git(folder, *words):
    author = {"GIT_AUTHOR_NAME": b"Andr\xe9", "GIT_AUTHOR_EMAIL": b"\xff@example.org"}
    committer = {"GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@example.org"}
    done = subprocess.run(
        ["git", "-C", folder, *words],
        env={**os.environ, **author, **committer},
        check=True,
        capture_output=True,
    )
    return done.stdout.decode().strip()


def commit(folder, name=f"{LATIN}.py"):
    with (folder / name).open("ab") as file:
        file.write(b"x")
    git(folder, "add", "--all")
    message = ("commit", "--quiet", "-m", b"\xe9t\xe9")
    git(folder, "-c", "i18n.commitEncoding=nonsense-99", *message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(params=["plain", LATIN])
def folder(tmp_path, request):
    path = tmp_path / request.param
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path, "README.md")
    return path


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def look(ledger, folder, *triggers):
    """Let sources that were just opened look; none may have a problem."""
    told = []
    with opened([(each, Place(folder)) for each in triggers], told.append) as sources:
        for source in sources:
            source.poll(ledger, NOW)
            source.waiting(NOW).encode()
    assert told == []


def fitting(ledger, trigger):
    return sum(trigger.matches(event) for event in ledger.events())


def test_a_commit_with_such_names_is_seen_once_by_whoever_watches(ledger, folder):
    triggers = (
        *(on("git.commit"), on("git.commit", paths=f"{LATIN}.py")),
        *(on("git.commit", paths="*.py", branch="main"), on("git.commit", paths="*.md")),
    )
    look(ledger, folder, *triggers)
    for _ in range(2):
        commit(folder)
        look(ledger, folder, *triggers)
        look(ledger, folder, *triggers)
    assert [fitting(ledger, each) for each in triggers] == [2, 2, 2, 0]


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_with_such_a_name_is_watched_when_it_is_checked_out_or_named(
    ledger, folder, packed
):
    git(folder, "checkout", "--quiet", "-b", LATIN)
    if packed:
        git(folder, "pack-refs", "--all")
    here, named, other = (
        on("git.commit"),
        on("git.commit", branch=LATIN),
        on("git.commit", branch="main"),
    )
    look(ledger, folder, here, named, other)
    for _ in range(2):
        commit(folder)
        look(ledger, folder, here, named, other)
    assert [fitting(ledger, each) for each in (here, named, other)] == [2, 2, 0]


def test_no_branch_is_lost_beside_one_with_such_a_name(ledger, folder):
    git(folder, "branch", LATIN)
    git(folder, "pack-refs", "--all")
    main = on("git.commit", branch="main")
    look(ledger, folder, main)
    commit(folder)
    git(folder, "checkout", "--quiet", "--detach")
    look(ledger, folder, main, on("git.commit"))
    assert fitting(ledger, main) == 1


def test_files_with_such_names_are_seen_once_by_whoever_watches(ledger, folder):
    (folder / f"{LATIN}s").mkdir()
    triggers = on("file.changed", paths=f"{LATIN}s/**"), on("file.changed", paths="**/*.jpg")
    look(ledger, folder, *triggers)
    for number in range(2):
        (folder / f"{LATIN}s" / f"{number}{LATIN}.jpg").write_bytes(b"x")
        look(ledger, folder, *triggers)
        look(ledger, folder, *triggers)
    assert [fitting(ledger, each) for each in triggers] == [4, 4]  # each is told by both


@pytest.mark.parametrize(
    "data", ['{"a": "\\ud800", "\\udc00": ["\\udfff"]}', '{"a": "\\u0000", "b": 1e999}']
)
def test_what_is_no_text_in_an_event_by_hand_stops_no_look(watched, capsys, data):
    def call(*words):
        assert invoke(lambda: watched.catalogue, [*words, f"state={watched.state}"]) == 0
        return capsys.readouterr().out

    call("emit", "type=guest.arrived", f"data={data}")
    looked = json.loads(call("watch", "--once", "--json"))["data"]["pursued"]
    assert [each["status"] for each in looked] == ["done"]
    call("emit", "type=guest.arrived")
    looked = json.loads(call("watch", "--once", "--json"))["data"]["pursued"]
    assert [each["status"] for each in looked] == ["nothing to do"]
    with Ledger(watched.state / "ledger.db", readonly=True) as ledger:
        assert ledger.check() == []
