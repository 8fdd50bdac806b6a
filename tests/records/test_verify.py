"""No number of a generated record can be changed without being named."""

import hashlib
import json
import re

import pytest
from told import verify_records, write_records

from agents.declare.outcome import Outcome
from agents.records.adr.by_hand import accept_adr
from agents.records.text.regions import parse, region_text, replace

DIGITS = re.compile(r"\d+(?:\.\d+)?")
ADR = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"


@pytest.fixture
def written(story, repository, outcome_of_training):
    """Records of two runs, one with a failure, and of a superseded decision."""
    story.begin("r1")
    story.fail_step("r1", "train", "no space: 12 MB free", name="disk_full")
    story.finish_step("r1", "prune_checkpoints", Outcome(summary="removed 3"), 2.5)
    story.finish_step("r1", "train", outcome_of_training("r1"))
    story.train("r2", loss=0.25)
    story.train("r3", decision="Use the average.")
    write_records(story.events, repository.root)
    return repository


def test_what_was_just_written_verifies(story, written):
    report = verify_records(story.events, written.root)
    assert report.ok
    assert report.numbers > 100
    assert report.unknown == ()


def _unnoticed(story, written, every: int) -> tuple[int, list[str]]:
    """How many numbers were changed, one at a time, and which of them nobody named."""
    tried, unnoticed, place = 0, [], 0
    for path, content in written.files().items():
        text = content.decode()
        for found in DIGITS.finditer(text) if path != "README.md" else ():
            place += 1
            if place % every:
                continue
            changed = "7" if found[0] != "7" else "8"
            written.write(path, text[: found.start()] + changed + text[found.end() :])
            findings = verify_records(story.events, written.root).findings
            line = text.count("\n", 0, found.start()) + 1
            told = [(each.line, each.message) for each in findings if each.path == path]
            in_marker = text.splitlines()[line - 1].startswith("<!-- goap:")
            named = any(place == line and changed in message for place, message in told)
            if not (told if in_marker else named):
                unnoticed.append(f"{path}:{line} {found[0]}")
            tried += 1
        written.write(path, text)
    return tried, unnoticed


def test_a_changed_number_is_named_with_its_line(story, written):
    tried, unnoticed = _unnoticed(story, written, every=23)
    assert tried > 20
    assert unnoticed == []


@pytest.mark.slow
def test_every_single_number_that_is_changed_is_named_with_its_line(story, written):
    tried, unnoticed = _unnoticed(story, written, every=1)
    print(f"{tried} numbers changed, one at a time: {tried - len(unnoticed)} named")
    assert tried > 500
    assert unnoticed == []


@pytest.mark.parametrize(
    ("path", "measured"),
    [(ADR, "0.41803"), ("agents-docs/runs/r1.md", "0.41803"), ("agents-docs/learnings.md", "0.91")],
)
def test_a_number_changed_together_with_its_digest_is_named_with_the_measured_one(
    story, written, path, measured
):
    text = written.read(path)
    region = next(each for each in parse(text).regions if f"| {measured} |" in each.body)
    forged = region_text(
        region.name, region.body.replace(measured, "0.11803"), dict(region.attributes)
    )
    written.write(path, replace(text, region, forged))
    (finding,) = verify_records(story.events, written.root).findings
    assert finding.path == path
    assert f"0.11803 where the ledger says {measured}" in finding.message
    assert "0.11803" in written.read(path).splitlines()[finding.line - 1]


def test_a_number_in_accepted_text_is_still_compared(story, repository):
    story.train("r1", decision="Use the checkpoint of step 2000.")
    write_records(story.events, repository.root)
    accept_adr(repository.root, 1, by="Ada")
    assert verify_records(story.events, repository.root).ok
    text = repository.read(ADR)
    region = parse(text).get("decision")
    forged = region_text("decision", region.body.replace("step 2000", "step 9000"))
    repository.write(ADR, replace(text, region, forged))
    (finding,) = verify_records(story.events, repository.root).findings
    assert "9000 where the ledger says 2000" in finding.message


def test_a_deleted_record_is_missing(story, written):
    (written.root / "agents-docs/runs/r2.md").unlink()
    kinds = [(each.path, each.kind) for each in verify_records(story.events, written.root).findings]
    assert kinds == [("agents-docs/runs/r2.md", "missing")]


def test_evidence_of_another_ledger_is_said_to_be_unknown_but_its_digest_is_checked(
    story, another_story, repository
):
    story.train("r1")
    another_story.train("r9", loss=0.3)
    write_records(story.events, repository.root)
    write_records(another_story.events, repository.root)
    report = verify_records(story.events, repository.root)
    assert report.ok
    assert any("r9.md" in name for name in report.unknown)
    repository.write(ADR, repository.read(ADR).replace("| 0.3 |", "| 0.2 |"))
    assert not verify_records(story.events, repository.root).ok


def test_files_are_hashed_again_and_numbers_read_again(
    story, repository, tmp_path, outcome_of_training
):
    volume = tmp_path / "volume"
    result = volume / "trainings/key-r1/result.json"
    result.parent.mkdir(parents=True)
    result.write_text(json.dumps({"metrics": {"loss_final": 0.41803}}), encoding="utf-8")
    outcome = outcome_of_training("r1")
    digest = hashlib.sha256(result.read_bytes()).hexdigest()
    artifact = outcome.artifacts[0].model_copy(update={"sha256": digest})
    story.begin("r1")
    story.finish_step("r1", "train", outcome.model_copy(update={"artifacts": (artifact,)}))
    write_records(story.events, repository.root)
    report = verify_records(story.events, repository.root, roots=[volume])
    assert (report.ok, report.files, report.unseen_files) == (True, 1, ())
    result.write_text(json.dumps({"metrics": {"loss_final": 0.5}}), encoding="utf-8")
    report = verify_records(story.events, repository.root, roots=[volume])
    assert [each.kind for each in report.findings] == ["file_changed", "file_changed"]
    assert "loss_final is 0.5 in the file" in " ".join(each.message for each in report.findings)


def test_a_file_that_is_not_here_is_named_as_not_seen(story, written):
    report = verify_records(story.events, written.root)
    assert "trainings/key-r1/result.json" in report.unseen_files


def test_what_a_person_adopted_is_named_as_not_checked(story, written):
    written.write(ADR, written.read(ADR).replace("0.41803", "0.1"))
    write_records(story.events, written.root, edited="adopt")
    report = verify_records(story.events, written.root)
    assert report.ok
    assert len(report.adopted) == 1


def test_what_a_failed_run_measured_is_pending_until_records_are_written(story, written):
    story.begin("r4")
    story.fail_step("r4", "train", "no space: 9 MB free", name="disk_full")
    story.train("r4", loss=0.9, documents=False)
    report = verify_records(story.events, written.root)
    assert report.ok
    assert "agents-docs/runs/r4.md" in report.pending
    assert "agents-docs/runs/r3.md" not in report.pending
    write_records(story.events, written.root)
    assert verify_records(story.events, written.root).pending == ()


def test_beside_what_is_pending_a_changed_or_deleted_record_is_still_named(story, written):
    story.train("r4", loss=0.9, documents=False)
    path = "agents-docs/runs/r1.md"
    text = written.read(path)
    written.write(path, text.replace("12 MB", "17 MB"))
    (written.root / "agents-docs/runs/r2.md").unlink()
    report = verify_records(story.events, written.root)
    told = {(each.path, each.kind) for each in report.findings}
    assert told == {(path, "differs"), ("agents-docs/runs/r2.md", "missing")}
    assert "agents-docs/runs/r4.md" in report.pending
