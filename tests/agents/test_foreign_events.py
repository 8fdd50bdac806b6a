"""Text of others that is no Unicode becomes ours at the door of the ledger, and stays itself."""

import os
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.declare.triggers import on
from agents.ledger.chain import json_values
from agents.ledger.events import new_event
from agents.ledger.payloads import FileChanged, Foreign, GitCommit, WebhookReceived
from agents.ledger.projections.places import newest_of
from agents.ledger.store import Ledger
from agents.records import repository_state
from agents.watching.files import FileSource
from agents.watching.git import GitSource
from agents.watching.source import Place

ODD = ("caf\udce9", "half \ud800", "\udfff", "nul\x00byte", "line\nbreak", "\u202eright", "🐈")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_an_event_with_such_text_anywhere_is_kept_once_and_found_again(tmp_path, odd):
    payloads = [
        Foreign(of_type="t", data={odd: [odd, {odd: {"deep": odd}}]}),
        GitCommit(commit="c", branch=odd, paths=(odd,)),
        FileChanged(fingerprint="f", paths=(odd,)),
        WebhookReceived(name=odd, kind=odd, fields={odd: odd}),
    ]
    with Ledger(tmp_path / "ledger.db") as ledger:
        for payload in payloads:
            event = new_event(payload, source=f"git:{odd}", subject=odd, id=f"{payload.type} {odd}")
            assert ledger.receive(event)
            assert not ledger.receive(event)
            assert ledger.append(event).data == json_values(payload.to_json())
        assert newest_of(ledger, f"git:{odd}", odd, ["git.commit"]).payload.commit == "c"
        assert len(ledger.events()) == 4
        assert ledger.check() == []


@given(st.text(st.characters(codec=None, categories=["L", "Cs", "Cc"])))
def test_two_texts_stay_apart_and_anybody_can_encode_them(text):
    ours = json_values(text)
    ours.encode()
    assert ours == json_values(ours)
    surrogates = any("\ud800" <= each <= "\udfff" for each in text)
    assert surrogates != (ours == text)


def git(folder, *words):
    names = {
        f"GIT_{who}_{what}": "M\udcfcller"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    subprocess.run(
        ["git", "-c", "i18n.commitEncoding=latin-1", *words],
        cwd=folder,
        env={**os.environ, **names},
        check=True,
        capture_output=True,
    )


def test_a_repository_whose_names_are_of_another_encoding_is_watched_all_the_same(tmp_path):
    git(tmp_path, "init", "-q", "-b", "gr\udcfcn")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "gr\udcfc\udcdfe")
    git(tmp_path, "pack-refs", "--all")
    with Ledger(tmp_path / "ledger.db") as ledger:
        for name in ("", "caf\udce9.txt", "\udce9t\udce9.txt"):  # each time a watcher of its own
            if name:
                (tmp_path / name).touch()
                git(tmp_path, "add", "--", name)
                git(tmp_path, "commit", "-q", "-m", "gr\udcfc\udcdfe")
            source = GitSource.open(on("git.commit"), Place(tmp_path))
            source.poll(ledger, NOW)
            source.close()
        commits = [each for each in ledger.events() if each.type == "git.commit"]
        paths = [each.payload.paths for each in commits]
        assert paths == [("caf\\udce9.txt",), ("\\udce9t\\udce9.txt",)]
        assert all(on("git.commit", branch="gr\udcfcn").matches(each) for each in commits)
    assert repository_state(tmp_path).branch == "gr\udcfcn"


def test_files_whose_names_are_of_another_encoding_are_watched_and_stay_apart(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    trigger = on("file.changed", paths="*.txt")
    with Ledger(tmp_path / "ledger.db") as ledger:
        for names in ((), ("\udce9.txt", "\udce8.txt")):
            for name in names:
                (folder / name).touch()
            source = FileSource.open(trigger, Place(folder))
            source.poll(ledger, NOW)
            source.close()
        changed = ledger.events(types=("file.changed",))[-1]
    assert changed.payload.paths == ("\\udce8.txt", "\\udce9.txt")
    assert trigger.matches(changed)
