"""``adr`` and ``learnings`` on the command line, over a real ledger and real files."""

import dataclasses
import json

import pytest

from agents.cli.main import invoke
from agents.declare.outcome import Artifact, Decision, Measurement, Outcome, Verdict
from agents.errors import ActionFailed
from agents.records import write_records


@pytest.fixture
def repo(kit, tmp_path):
    """A repository whose one ADR and one learning come from a real run."""
    volume = kit.state / "volume"
    volume.mkdir(parents=True)
    (volume / "result.json").write_text('{"strength": 0.9}', encoding="utf-8")

    def brew(context):
        """Brew, and decide."""
        kit.tea.make("tea")
        return Outcome(
            summary="strong tea",
            measurements=(Measurement(name="strength", value=0.9, source="result.json"),),
            gates=(
                Verdict(
                    name="strong",
                    metric="strength",
                    threshold=0.5,
                    direction=">=",
                    value=0.9,
                    passed=True,
                ),
            ),
            artifacts=(Artifact(name="pot", path="result.json"),),
            decision=Decision(key="tea", title="Serve it", context="Guests.", decision="Serve."),
            lesson="Hot water helps.",
        )

    action = kit.catalogue.actions["brew"]
    kit.catalogue.actions["brew"] = dataclasses.replace(action, run=brew)
    kit.run(provenance={"version": "0.1.0", "git": None})
    folder = tmp_path / "repo"
    folder.mkdir()
    write_records(kit.events(), folder)
    return folder


@pytest.fixture
def call(kit, repo, capsys):
    def call(*words, code=0):
        more = [f"repo={repo}"]
        if {"verify", "show", "write"} & set(words):
            more.append(f"state={kit.state}")
        assert invoke(lambda: kit.catalogue, [*words, *more]) == code
        return capsys.readouterr()

    return call


def data_of(printed):
    document = json.loads(printed.out)
    assert document["ok"] is True
    return document["data"]


def test_a_record_is_listed_verified_accepted_and_superseded(call, repo):
    rows = data_of(call("adr", "list", "--json"))
    assert [(row["number"], row["title"], row["status"]) for row in rows] == [
        (1, "Serve it", "Proposed")
    ]
    verified = data_of(call("adr", "verify", "--json"))
    assert verified["findings"] == []
    assert verified["numbers"] > 0
    assert call("adr", "check").out == "no faults\n"
    assert call("adr", "new", "Use cups").out == "plans/ADR-002-use-cups.md\n"
    call("adr", "accept", "1", "by=Ada")
    assert "Accepted" in data_of(call("adr", "list", "--json"))[0]["status"]
    call("adr", "supersede", "1", "2")
    assert "Superseded by" in (repo / "plans" / "ADR-001-serve-it.md").read_text(encoding="utf-8")
    assert call("adr", "check").out == "no faults\n"
    call("adr", "index")
    assert "Use cups" in (repo / "plans" / "INDEX.md").read_text(encoding="utf-8")


def test_a_number_that_was_changed_is_named(call, repo):
    path = repo / "plans" / "ADR-001-serve-it.md"
    path.write_text(path.read_text(encoding="utf-8").replace("| 0.9 |", "| 0.95 |"), "utf-8")
    findings = data_of(call("adr", "verify", "--json", code=1))["findings"]
    assert any("0.95" in each["message"] for each in findings)
    assert {each["path"] for each in findings} == {"plans/ADR-001-serve-it.md"}
    assert call("learnings", "verify").out != ""


def test_a_file_that_was_changed_after_the_fact_is_named(call, kit):
    (kit.state / "volume" / "result.json").write_text('{"strength": 0.1}', encoding="utf-8")
    printed = call("adr", "verify", code=1)
    assert "file_changed" in printed.out


def test_learnings_are_listed_and_archived(call):
    rows = data_of(call("learnings", "list", "--json"))
    assert "Hot water helps" in rows[0]["title"]
    assert data_of(call("learnings", "archive", "before=2001-01-01", "--json")) == {"moved": []}
    assert len(data_of(call("learnings", "archive", "before=2999-01-01", "--json"))["moved"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adr", "show", "7"], "there is no ADR-007"),
        (["adr", "accept", "7"], "there is no ADR-007"),
        (["adr", "accept", "1", "by=Ada", "policy=nightly"], "exclude each other"),
        (["adr", "supersede", "1", "1"], "cannot supersede itself"),
        (["adr", "new", " "], "needs a title"),
        (["learnings", "archive", "before=yesterday"], "is a day, such as"),
        (["adr", "list", "rpeo=x"], "did you mean 'repo'?"),
        (["adr", "lst"], "No such command 'lst'"),
    ],
)
def test_a_wrong_word_ends_with_exit_code_2(call, words, said):
    assert said in call(*words, code=2).err


def test_verifying_without_the_ledger_of_the_records_is_no_success(call, kit, tmp_path, capsys):
    words = ["adr", "verify", f"repo={tmp_path / 'repo'}", f"state={tmp_path / 'empty'}"]
    assert invoke(lambda: kit.catalogue, words) == 1
    assert "nothing was verified" in capsys.readouterr().err


def test_archived_learnings_are_verified_too(call, repo):
    call("learnings", "archive", "before=9999-01-01")
    recomputed, word, *_ = call("learnings", "verify").out.split()
    assert (int(recomputed) > 0, word) == (True, "numbers")
    archive = repo / "agents-docs" / "learnings-archive.md"
    archive.write_text(archive.read_text(encoding="utf-8").replace("0.9", "0.8"), encoding="utf-8")
    assert "0.8 where the ledger says 0.9" in call("learnings", "verify", code=1).out


def test_a_new_adr_is_in_the_index_at_once(call, repo):
    call("adr", "new", "Buy leaves")
    assert call("adr", "index", "--check").out == "nothing to change\n"
    assert "Buy leaves" in (repo / "plans" / "INDEX.md").read_text(encoding="utf-8")


def test_an_edit_of_generated_text_is_refused_until_it_is_adopted_or_overwritten(call, kit, repo):
    path = repo / "plans" / "ADR-001-serve-it.md"
    original = path.read_text(encoding="utf-8")
    edited = original.replace("Guests.", "Many guests.")
    path.write_text(edited, encoding="utf-8")
    with pytest.raises(ActionFailed, match="edited by hand"):
        write_records(kit.events(), repo)
    assert path.read_text(encoding="utf-8") == edited
    shown = call("adr", "write", "--check", code=1).out
    assert "-Many guests.\n+Guests." in shown
    assert "edited by hand" in call("adr", "write", code=1).err
    assert "opposites" in call("adr", "write", "--adopt", "--force", code=2).err
    assert path.read_text(encoding="utf-8") == edited
    assert "-Many guests.\n+Guests." in call("adr", "write", "--force").out
    assert path.read_text(encoding="utf-8") == original
    assert call("adr", "write", "--check").out == "nothing to change\n"
    path.write_text(edited, encoding="utf-8")
    call("adr", "write", "--adopt")
    assert "Many guests." in path.read_text(encoding="utf-8")
    assert write_records(kit.events(), repo) == []
