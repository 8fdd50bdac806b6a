"""What an agent reads of a run costs few bytes, whatever happened in it."""

import json

import pytest

from agents.cli.main import invoke
from agents.declare.actions import Progress
from agents.declare.outcome import Artifact, Outcome, Verdict
from agents.ledger.events import new_event, utc_now
from agents.ledger.history import run_histories
from agents.ledger.payloads import (
    MoneyReserved,
    MoneySettled,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
)
from agents.ledger.payloads.runs import PlanStep
from agents.ledger.store import Ledger
from agents.run.remaining import remaining
from agents.schemas.brief import MOST_BYTES, brief
from agents.schemas.progress import MOST_PROGRESS_BYTES, paid_on, progress_of

LONG = "ü→\n" * 500


def events_of(steps):
    """A run of so many steps, each of which fails once with a long story and then is done."""
    given = {f"value{number}": LONG for number in range(steps)}
    said = [("goal", RunStarted(goal="goal", given=given))]
    names = [f"step_{number}" for number in range(steps)]
    plan = PlanMade(digest="0" * 64, steps=tuple(PlanStep(id=each, action=each) for each in names))
    said += [("goal", plan)] * steps
    gate = Verdict(
        name="g" * 300, metric="loss", value=1.0, threshold=0.5, direction=">=", passed=True
    )
    done = Outcome(summary=LONG, artifacts=(Artifact(name="a", path=LONG),), gates=(gate,))
    for name in names:
        who = {"step": name, "action": name}
        failed = {"class": "unknown", "name": "broken", "message": LONG, "fix": LONG}
        said += [
            (name, StepStarted(**who)),
            (name, StepFailed(**who, **failed)),
            (name, StepStarted(**who)),
            (name, StepFinished(**who, seconds=1.0, outcome=done)),
        ]
    said += [("goal", RunFinished(status="done", exit_code=0, message=LONG))]
    return [new_event(payload, run="r1", subject=subject) for subject, payload in said]


@pytest.mark.parametrize("steps", [0, 1, 7, 200])
def test_a_run_in_brief_fits_whatever_happened_and_says_what_it_leaves_out(steps):
    told = brief(run_histories(events_of(steps))[0])
    size = len(json.dumps(told.model_dump(mode="json"), ensure_ascii=False).encode())
    assert size <= MOST_BYTES
    assert (told.plans, told.status, told.events) == (steps, "done", 2 + 5 * steps)
    assert len(told.steps) + told.left_out.get("steps", 0) == 2 * steps
    assert len(told.failures) + told.left_out.get("failures", 0) == steps
    if steps:
        assert told.steps[-1].step == f"step_{steps - 1}"


def test_show_takes_4_kb_at_most_as_text_and_as_json_and_all_of_it_with_events(tmp_path, capsys):
    events = events_of(40)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.receive_all(events)

    def shown(*words):
        assert invoke(lambda: None, ["show", "last", f"state={tmp_path}", *words]) == 0
        return capsys.readouterr().out

    assert len(shown("--json").encode()) <= MOST_BYTES + 100
    text = shown()
    assert len(text.encode()) <= MOST_BYTES
    assert "lines are left out: " in text
    assert "ended: done" in text
    assert len(json.loads(shown("--events", "--json"))["data"]["events"]) == len(events)
    assert shown("--events").count("✓ step_") == 40


@pytest.mark.parametrize("steps", [0, 1, 7, 200])
def test_how_a_run_is_fits_into_2_kb_whatever_happened(steps):
    events = events_of(steps)[:-1] + [
        new_event(StepStarted(step=f"run_{n}", action="a"), run="r1") for n in range(steps)
    ]
    kept = {f"run_{number}": Progress(1, 2, LONG, 3.0) for number in range(steps)}
    told = progress_of(run_histories(events)[0], kept, utc_now())
    assert len(json.dumps(told.model_dump(), ensure_ascii=False).encode()) <= MOST_PROGRESS_BYTES
    assert (told.status, told.failures) == ("running", steps)
    assert steps == 0 or told.running[-1].eta_seconds == 3.0


def test_what_is_left_of_a_plan_takes_as_long_as_its_longest_way():
    steps = (
        PlanStep(id="a", action="a", seconds=5.0),
        PlanStep(id="b", action="b", seconds=10.0),
        PlanStep(id="c", action="c", after=("a", "b"), seconds=2.0),
        PlanStep(id="d", action="d", after=("c",), seconds=1.0),
    )
    plan = PlanMade(digest="0", steps=steps)
    assert remaining(plan, [], {}) == (("a", "b", "c", "d"), 13.0)
    assert remaining(plan, ["a"], {"b": 1.5}) == (("c", "d"), 4.5)
    assert remaining(plan, ["a"], {"b": None}) == (("c", "d"), None)
    assert remaining(plan, ["a", "b", "c", "d"], {}) == ((), 0.0)
    unknown = plan.model_copy(update={"steps": (PlanStep(id="old", action="old"),)})
    assert remaining(unknown, [], {}) == (("old",), None)


def test_what_costs_on_without_its_run_is_known_by_what_was_set_aside():
    meter = {"seconds": 1.0, "usd": (1.0, 1.0, 1.0), "running": True}

    def reserved(action, usd):
        return MoneyReserved(step=action, action=action, account="a", usd=usd, since="")

    def settled(action, meter=None):
        return MoneySettled(step=action, action=action, account="a", usd=1.0, meter=meter)

    said = [reserved("free", 0.0), reserved("train", 2.0), reserved("tune", None)]
    said += [reserved("over", 1.0), settled("over"), settled("train", meter)]
    events = [new_event(payload, run="r1") for payload in said]
    assert paid_on(events) == ["train", "tune"]
