"""Facts, sensors and actions that a goal has for its parameters only."""

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from agents import Goal, NoParameters, Outcome, Reading, facts
from agents.api import explain, plan
from agents.declare.actions import Action, Cost, Sensor, Unfolded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Condition
from agents.errors import UsageError
from agents.run.asking import question_of_json, question_of_words


class World(BaseModel):
    oven_hot: bool = Field(description="the oven is hot")


class Breads(BaseModel):
    kinds: tuple[str, ...] = ("rye", "wheat")


def baked(kind):
    return Condition(f"{kind}_baked", True)


class Bake:
    def __init__(self, kind):
        self.kind = kind

    def look(self, context):
        return Reading((context.state / self.kind).exists(), self.kind)

    def run(self, context):
        (context.state / self.kind).write_text("baked")
        return Outcome(summary=self.kind)

    def effect(self, _params):
        return (baked(self.kind),)

    def action(self):
        return Action(
            name=f"bake_{self.kind}",
            summary=f"Bake {self.kind}",
            run=self.run,
            needs=lambda _: (),
            effect=self.effect,
            cost=lambda _: Cost(1.0),
            resources={},
            timeout=None,
            approval=False,
            recovery=False,
            attempts=3,
            when=lambda _: True,
        )


def unfolds(params):
    breads = [Bake(kind) for kind in params.kinds]
    return Unfolded(
        {f"{each.kind}_baked": f"{each.kind} is baked" for each in breads},
        tuple(Sensor(f"{each.kind}_baked", each.look, (), 5.0) for each in breads),
        tuple(each.action() for each in breads),
    )


CATALOGUE = Catalogue(
    facts(World),
    (),
    (),
    (
        Goal(
            "breads",
            "Every kind is baked",
            lambda params: tuple(map(baked, params.kinds)),
            Breads,
            unfolds=unfolds,
        ),
        Goal("nothing", "Nothing", lambda _: (), NoParameters),
    ),
)


def asked(state: Path, **values):
    return question_of_json(CATALOGUE, "breads", values, state)


def test_as_many_as_are_asked_for_are_planned_each_by_its_name(tmp_path):
    (tmp_path / "corn").write_text("baked before")
    planned = plan(asked(tmp_path, kinds=["corn", "oat", "spelt"]))
    assert [step.action for step in planned.steps] == ["bake_oat", "bake_spelt"]
    assert {fact.name: fact.value for fact in planned.facts}["corn_baked"] is True


def test_what_is_there_for_these_parameters_only_can_be_explained(tmp_path):
    question = question_of_words(CATALOGUE, {"goal": "breads"}, tmp_path)
    assert explain("rye_baked", question).description == "rye is baked"
    assert explain("bake_wheat", question).summary == "Bake wheat"


def test_another_goal_knows_nothing_of_it(tmp_path):
    question = question_of_words(CATALOGUE, {"goal": "nothing"}, tmp_path)
    assert question.catalogue is CATALOGUE


def test_a_name_that_the_catalogue_has_is_refused(tmp_path):
    catalogue = Catalogue(
        facts(World),
        (),
        (),
        (
            Goal(
                "hot",
                "Hot",
                lambda _: Condition("oven_hot", True),
                unfolds=lambda _: Unfolded({"oven_hot": "again"}, (), ()),
            ),
        ),
    )
    with pytest.raises(UsageError, match="two facts are called 'oven_hot', one of them of hot"):
        question_of_words(catalogue, {"goal": "hot"}, tmp_path)
