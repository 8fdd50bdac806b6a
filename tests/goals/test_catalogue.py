"""What is declared holds together: goals can be reached, facts can be seen."""

import pytest

from agents.declare.facts import UNKNOWN
from agents.planning import plan
from goals import GOALS

NAMES = [goal.name for goal in GOALS]
EMPTY = {"free_mb": 1e6, "fits_memory": True, "loss_finite": True, "objective_sound": True}


def params(catalogue, name, **words):
    return catalogue.parameters(catalogue.goal(name), words)


def reach(catalogue, name, start, **words):
    given = params(catalogue, name, **words)
    wants = catalogue.goal(name).conditions(given)
    return plan(start, wants, list(catalogue.grounded(given)))


@pytest.mark.parametrize("compute", ["local", "modal"])
@pytest.mark.parametrize("name", NAMES)
def test_every_goal_can_be_reached_where_nothing_is_true_yet(catalogue, name, compute):
    words = {} if name == "documented" else {"compute": compute}
    result = reach(catalogue, name, EMPTY, **words)
    assert result, result.missing
    assert result.steps[-1].action == "update_docs"


@pytest.mark.parametrize("name", NAMES)
def test_a_goal_that_holds_needs_no_step(catalogue, name):
    wants = dict(catalogue.goal(name).conditions(params(catalogue, name)))
    assert not reach(catalogue, name, {**EMPTY, **wants}).steps


def test_nothing_is_bought_or_built_before_credentials_were_accepted(catalogue):
    steps = reach(catalogue, "trained_dit", EMPTY, compute="modal").steps
    assert steps[0].action == "validate_auth"
    after = {step.id: set(step.after) for step in steps}
    for step in steps[1:]:
        if step.action in ("build_image", "prepare_data", "train"):
            assert _ancestors(step.id, after) >= {steps[0].id}


def _ancestors(step, after):
    found = set(after[step])
    for each in after[step]:
        found |= _ancestors(each, after)
    return found


@pytest.mark.parametrize(
    ("broken", "repair"),
    [
        ({"fits_memory": False}, "halve_micro_batch"),
        ({"loss_finite": False}, "roll_back"),
        ({"free_mb": 0.0}, "free_space"),
    ],
)
def test_a_recovery_is_planned_before_training_and_only_where_it_is_needed(
    catalogue, broken, repair
):
    assert repair not in [step.action for step in reach(catalogue, "trained_dit", EMPTY).steps]
    steps = [step.action for step in reach(catalogue, "trained_dit", {**EMPTY, **broken}).steps]
    assert steps.index(repair) < steps.index("train")


def test_nothing_makes_a_collapsed_objective_sound(catalogue):
    result = reach(catalogue, "trained_dit", {**EMPTY, "objective_sound": False})
    assert not result
    assert [missing.fact for missing in result.missing] == ["objective_sound"]


def test_every_fact_has_a_sensor_and_a_description(catalogue):
    assert set(catalogue.sensors) == set(catalogue.facts)
    assert all(fact.description for fact in catalogue.facts.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_promise_of_an_action_can_be_observed(catalogue, name):
    for grounded in catalogue.grounded(params(catalogue, name)):
        assert {effect.fact for effect in grounded.effect} <= set(catalogue.sensors)
        assert {need.fact for need in grounded.needs} <= set(catalogue.sensors)


def test_every_action_says_in_one_line_what_it_does(catalogue):
    for action in catalogue.actions.values():
        assert action.summary.endswith("."), action.name
        assert len(action.summary) < 100


def test_money_is_spent_on_modal_only_and_a_price_nobody_knows_is_not_called_free(catalogue):
    for compute, priced in (("local", True), ("modal", False)):
        given = params(catalogue, "trained_dit", compute=compute)
        train = next(each for each in catalogue.grounded(given) if each.name == "train")
        assert (train.priced, train.usd) == (priced, 0.0)


def test_what_is_unknown_and_hoped_for_is_looked_at_and_not_taken_for_granted(catalogue):
    hoped = {name for name, sensor in catalogue.sensors.items() if sensor.hope is not None}
    assert hoped == {"fits_memory", "loss_finite", "objective_sound"}
    assert not reach(catalogue, "trained_dit", {**EMPTY, "objective_sound": UNKNOWN})
