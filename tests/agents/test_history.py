"""History on the command line: filters, and two runs side by side."""

import json

import pytest

from agents.cli.main import invoke
from agents.declare.outcome import Measurement, Outcome, Verdict
from agents.errors import ActionFailed


@pytest.fixture
def call(kit, capsys):
    def call(*words, code=0):
        assert invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"]) == code
        return capsys.readouterr()

    return call


def data_of(printed):
    return json.loads(printed.out)["data"]


def test_runs_can_be_filtered_by_time(kit, call):
    kit.run()
    assert len(data_of(call("runs", "since=2d", "--json"))) == 1
    assert len(data_of(call("runs", "since=2020-01-01", "--json"))) == 1
    assert data_of(call("runs", "since=2999-01-01", "--json")) == []
    assert "neither a date nor a time ago" in call("runs", "since=lately", code=2).err


def brewed(kit, strength):
    def perform(_context):
        kit.tea.make("tea")
        return Outcome(
            summary="tea",
            measurements=(Measurement(name="strength", value=strength, unit="g"),),
            gates=(
                Verdict(
                    name="strong",
                    metric="strength",
                    threshold=0.1,
                    direction=">=",
                    value=strength,
                    passed=True,
                ),
            ),
        )

    object.__setattr__(kit.catalogue.actions["brew"], "run", perform)


def test_two_runs_are_compared_by_what_was_asked_done_and_measured(kit, call):
    brewed(kit, 0.5)
    call("run", "goal=served")
    (kit.tea.root / "tea").unlink()
    (kit.tea.root / "hot").unlink()

    def spilled(_context):
        raise ActionFailed("the kettle fell", name="spilled")

    kit.tea.fail("boil", spilled)
    brewed(kit, 0.75)
    call("run", "goal=served", "sugar=2")
    data = data_of(call("runs", "diff", "last~1", "last", "--json"))
    assert data["params"] == {"sugar": [0, 2]}
    steps = {each["action"]: each for each in data["steps"]}
    assert steps["fill"]["b"] is None
    assert steps["boil"]["b"]["status"] == "failed"
    assert {
        (each["name"], each["a"], each["b"], each["change"]) for each in data["measurements"]
    } == {
        ("strength", 0.5, 0.75, 0.25),
        ("strong", 0.5, 0.75, 0.25),
    }
    assert data["failures"] == [[], ["boil: spilled"]]
    text = call("runs", "diff", "last~1", "last").out
    assert "sugar: 0 → 2" in text
    assert "fill: verified in 0.0 s → not done" in text
    assert "brew strength: 0.5 → 0.75 g (+0.25)" in text


def test_a_run_differs_from_itself_in_nothing(kit, call):
    call("run", "goal=served")
    data = data_of(call("runs", "diff", "last", "last", "--json"))
    assert not any(data[key] for key in ("params", "plans", "measurements", "failures"))


@pytest.mark.parametrize("words", [[], ["last"], ["last", "last~9"], ["last", "last", "last"]])
def test_a_difference_is_between_two_runs_that_exist(kit, call, words):
    call("run", "goal=served")
    assert call("runs", "diff", *words, code=2).err.startswith("error: ")
