"""What events say: one model per type, and nobody looks into their JSON but the ledger."""

import json
import math
import re
import types
import typing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agents.declare.outcome import Measurement, Outcome
from agents.errors import LedgerDamaged
from agents.ledger.chain import canonical, json_values
from agents.ledger.events import new_event
from agents.ledger.payloads import (
    MODELS,
    Foreign,
    GitCommit,
    StepFailed,
    StepFinished,
    WebhookReceived,
    payload_of,
)

ROOT = Path(__file__).resolve().parents[2]
RAW = re.compile(
    r"\.data(\[['\"]|\.(get|items|keys|values)\b)|\b(event|each|first|last|known)\.data\b"
)


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


TEXT = st.text(max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def values(kind):
    """A strategy for the values of a field declared with this type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {name: values(field.annotation) for name, field in kind.model_fields.items()}
        return st.fixed_dictionaries(fields).map(lambda given: kind(**given))
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(part) for part in parts])
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin is tuple and parts[-1] is Ellipsis:
        return st.lists(values(parts[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, parts))
    if origin is dict:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=3)
    if origin is typing.Annotated:
        return values(parts[0])
    return {
        typing.Any: JSON,
        str: TEXT,
        float: NUMBER,
        int: st.integers(),
        bool: st.booleans(),
        type(None): st.none(),
    }[kind]


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_what_is_written_is_what_is_read(model):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values(model))
    def check(payload):
        event = new_event(payload)
        text = canonical(json_values(event.data))
        assert payload_of(event.type, json.loads(text)) == payload

    check()


def test_a_number_that_is_not_finite_is_null_and_read_as_no_number():
    measured = Measurement(name="loss", value=float("inf"))
    outcome = Outcome(summary="diverged", measurements=(measured,))
    event = new_event(StepFinished(step="s", action="a", seconds=1.0, outcome=outcome))
    assert event.data["outcome"]["measurements"][0]["value"] is None
    read = payload_of(event.type, event.data)
    assert math.isnan(read.outcome.measurements[0].value)
