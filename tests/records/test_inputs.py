"""The digest of what records are made of changes exactly when the records might."""

from datetime import UTC, datetime

import pytest
from told import inputs_digest

from agents.ledger.events import new_event
from agents.ledger.payloads import payload_of

NOW = datetime(2026, 2, 28, tzinfo=UTC)
TRAINED = {
    "step": "train",
    "action": "train",
    "seconds": 2.0,
    "outcome": {"summary": "trained", "provenance": {"training_key": "k"}},
}


def event(type_, data, run="r1", id_="e"):
    return new_event(payload_of(type_, data), run=run, id=id_, clock=lambda: NOW)


@pytest.fixture
def events():
    return [
        event("run.started", {"goal": "g"}, id_="1"),
        event("step.finished", TRAINED, id_="2"),
    ]


def test_what_records_never_quote_changes_nothing(events, tmp_path):
    digest = inputs_digest(events, tmp_path)
    later = [
        event("facts.observed", {"readings": {}}, id_="3"),
        event("step.finished", {**TRAINED, "action": "update_docs"}, id_="4"),
        event("run.finished", {"status": "done"}, id_="5"),
        event("run.started", {"goal": "g"}, run="r2", id_="6"),
        event(
            "step.finished",
            {**TRAINED, "action": "tidy", "outcome": {"summary": "tidy"}},
            run="r2",
            id_="7",
        ),
    ]
    assert inputs_digest([*events, *later], tmp_path) == digest


def test_an_event_a_number_or_a_file_that_changes_is_noticed(events, tmp_path):
    digest = inputs_digest(events, tmp_path)
    more = event(
        "step.failed", {"step": "train", "action": "train", "name": "x", "message": "no"}, id_="8"
    )
    assert inputs_digest([*events, more], tmp_path) != digest
    other = event("step.finished", {**TRAINED, "seconds": 1}, id_="2")
    assert inputs_digest([events[0], other], tmp_path) != digest
    (tmp_path / "plans").mkdir()
    page = tmp_path / "plans" / "ADR-001-x.md"
    page.write_text("# ADR-001: x\n", encoding="utf-8")
    written = inputs_digest(events, tmp_path)
    assert written != digest
    page.write_text("# ADR-001: y\n", encoding="utf-8")
    assert inputs_digest(events, tmp_path) != written
