"""What events say: one model per type, and nobody looks into their JSON but the ledger."""

import re
from pathlib import Path

import pytest

from agents.errors import LedgerDamaged
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign, GitCommit, StepFailed, WebhookReceived, payload_of

ROOT = Path(__file__).resolve().parents[2]
RAW = re.compile(r"\.data(\[|\.(get|items|keys|values)\b)|\b(event|each|first|last|known)\.data\b")


def test_nobody_reads_the_json_of_events_but_the_ledger():
    files = [
        *ROOT.glob("agents/**/*.py"),
        *ROOT.glob("actions/*.py"),
        *ROOT.glob("benchmarks/*.py"),
    ]
    raw = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if not path.is_relative_to(ROOT / "agents" / "ledger")
        for line in path.read_text(encoding="utf-8").splitlines()
        if RAW.search(line)
    ]
    assert raw == []


def test_the_payload_names_the_type_and_keeps_the_words_of_json():
    failed = StepFailed(
        step="boil", action="boil", failure_class="transient", name="cold", message="no gas"
    )
    event = new_event(failed, run="r1", subject="boil")
    assert event.type == "step.failed"
    assert event.data["class"] == "transient"
    assert event.payload == failed


def test_what_others_say_is_kept_as_it_is():
    event = new_event(Foreign(of_type="guest.arrived", data={"name": "Ada", "seats": 2}))
    assert event.type == "guest.arrived"
    assert event.payload == Foreign(of_type="guest.arrived", data={"name": "Ada", "seats": 2})


def test_an_event_of_the_engine_that_says_something_else_is_damage_that_is_named():
    with pytest.raises(LedgerDamaged, match=r"event 7 \(step.failed\).*message: Field required"):
        payload_of("step.failed", {"step": "s", "action": "a", "name": "n"}, "event 7")


@pytest.mark.parametrize("type_", [GitCommit.kind, WebhookReceived.kind])
def test_an_event_that_a_person_wrote_by_hand_need_not_be_as_ours(type_):
    assert payload_of(type_, {"paths": 3}) == Foreign(of_type=type_, data={"paths": 3})
