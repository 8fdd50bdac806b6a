"""What a request is known by: each value of each parameter counts, and no spelling of it does."""

import os
import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agents.__main__ import load_catalogue
from agents.declare.actions import Goal
from agents.declare.catalogue import Catalogue
from agents.declare.parameters import Parameters, how, role_of, what
from agents.errors import UsageError
from agents.run.asking import words_of
from agents.run.identity import request_of
from training.learn.config import TrainingConfig
from training.learn.presets import PRESETS

CATALOGUE = load_catalogue()
STATE = Path("state")
HOW = {"threads", "micro_batch", "slice_seconds", "queue_timeout", "track", "at_once", "gpu"}

# parameter → another valid value than its default, as it is written on a command line
OTHER = {
    "repo": "elsewhere",
    "commit": "true",
    "compute": "modal",
    "volume": "other-volume",
    "dataset": "pets",
    "preset": "smoke",
    "micro_batch": "4",
    "threads": "2",
    "track": "tensorboard",
    "slice_seconds": "600",
    "queue_timeout": "20m",
    "gpu": "H100",
    "sweep": "learning_rate=1e-3,4e-3",
    "at_once": "3",
    "image_size": "64",
    "patch": "4",
    "dim": "96",
    "heads": "3",
    "betas": "0.8,0.9",
    "ema_stds": "0.07",
    "precision": "bf16",
    "sampler": "euler",
    "augment": "false",
    "guidance": "3.5",
}


def request(goal, **words):
    declared = CATALOGUE.goal(goal)
    return request_of(declared, CATALOGUE.parameters(declared, words), STATE)


SETTABLE = [
    (goal.name, name)
    for goal in CATALOGUE.goals.values()
    for name, field in goal.parameters.model_fields.items()
    if not field.frozen
]


def another(goal, name):
    """A valid value that is not the one that holds when nothing is said."""
    if name in OTHER:
        return OTHER[name]
    return str(getattr(CATALOGUE.parameters(CATALOGUE.goal(goal), {}).config(), name) * 2 or 1)


@pytest.mark.parametrize(("goal", "name"), SETTABLE)
def test_each_parameter_of_each_goal_changes_what_a_plan_is_bound_to(goal, name):
    before, after = request(goal), request(goal, **{name: another(goal, name)})
    assert before.digest != after.digest
    changed = before.what_digest != after.what_digest
    assert changed == (name not in HOW), f"{name} is no {'how' if name in HOW else 'what'}"


def standing(goal, name):
    """The value that holds when nothing is said; None where the machine decides."""
    params = CATALOGUE.parameters(CATALOGUE.goal(goal), {})
    if name == "volume":
        return STATE / "volume"
    resolved = dict(params.config()) if name in TrainingConfig.model_fields else {}
    return {**dict(params), **resolved}[name]


@pytest.mark.parametrize(
    ("goal", "name"), [each for each in SETTABLE if standing(*each) is not None]
)
def test_the_value_that_holds_anyway_may_be_written_out(goal, name):
    value = standing(goal, name)
    written = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    assert request(goal, **{name: written}).digest == request(goal).digest


@pytest.mark.parametrize("seed", range(40))
def test_words_in_any_order_are_one_request(seed):
    chance = random.Random(seed)
    goal = chance.choice(sorted(CATALOGUE.goals))
    names = [name for of, name in SETTABLE if of == goal]
    # shapes have to fit each other, a tracker its compute; a preset may say what is written anyway
    bound = ("image_size", "patch", "dim", "heads", "track", "preset")
    free = [name for name in names if name not in bound]
    chosen = chance.sample(free, k=min(len(free), chance.randint(2, 8)))
    words = {name: another(goal, name) for name in chosen}
    first = request(goal, **words)
    chance.shuffle(chosen)
    assert request(goal, **{name: words[name] for name in chosen}).digest == first.digest
    # and no two of the values hide each other
    for name in chosen:
        fewer = {key: value for key, value in words.items() if key != name}
        assert request(goal, **fewer).digest != first.digest, name


@pytest.mark.parametrize(
    "spellings",
    [
        ({}, {"steps": "2000"}, {"steps": "2_000"}, {"preset": "tiny", "steps": "+2000"}),
        ({}, {"learning_rate": "2e-3"}, {"learning_rate": "0.002"}, {"learning_rate": ".0020"}),
        ({}, {"betas": "0.9,0.95"}, {"betas": " 0.90 , .95 "}, {"betas": "9e-1,0.950,"}),
        ({}, {"augment": "true"}, {"augment": "1"}, {"augment": "yes"}, {"augment": "TRUE"}),
        ({}, {"clip": "1"}, {"clip": "1.0"}),
        ({}, {"weight_decay": "0.01"}, {"weight_decay": "1e-2"}),
        ({"weight_decay": "0"}, {"weight_decay": "-0"}, {"weight_decay": "0.0"}),
        ({"slice_seconds": "600"}, {"slice_seconds": "600.0"}, {"slice_seconds": "6e2"}),
        ({"threads": "2"}, {"threads": "02"}),
    ],
)
def test_numbers_and_lists_are_the_same_however_they_are_written(spellings):
    assert len({request("trained_dit", **words).digest for words in spellings}) == 1


def test_the_name_of_a_preset_is_a_label():
    """A preset written out, setting by setting, from another preset."""
    small = dict(PRESETS["dit"]["smoke"])
    words = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in small.items()
    }
    # what the small preset leaves as it is by default and the other one does not
    words |= {
        name: str(TrainingConfig.model_fields[name].default)
        for name in set(PRESETS["dit"]["tiny"]) - set(small)
    }
    assert request("trained_dit", **words).digest == request("trained_dit", preset="smoke").digest
    assert "preset" not in request("trained_dit").what


def test_a_folder_is_the_same_however_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    photos = ("photos", "./photos", "photos/", str(tmp_path / "photos"), "state/../photos", "link")
    assert len({request("trained_dit", dataset=each).digest for each in photos}) == 1
    repos = (".", "", str(tmp_path), "photos/..")
    assert len({request("documented", repo=each).digest for each in repos}) == 1
    volumes = ("state/volume", "./state/volume/", str(tmp_path / "state" / "volume"))
    digests = {request("trained_dit", volume=each).digest for each in volumes}
    assert digests == {request("trained_dit").digest}


def test_what_only_looks_like_a_folder_of_that_name_is_another_thing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        request("trained_dit", dataset="./pets").digest
        != request("trained_dit", dataset="pets").digest
    )
    # a volume of a cloud is a name, not a path below this directory
    for compute in ("modal", "loopback"):
        named = request("trained_dit", compute=compute, volume="goap-training")
        assert named.digest == request("trained_dit", compute=compute).digest
        assert named.what["volume"] == "goap-training"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("learning_rate=1e-3,2e-3", "learning_rate=0.002,0.001", True),
        ("learning_rate=1e-3,2e-3 seed=1,2", "seed=2,1 learning_rate=.001,.002", True),
        ("learning_rate=1e-3,2e-3", "learning_rate=1e-3,2e-3 seed=0", True),
        ("learning_rate=1e-3,2e-3", "learning_rate=1e-3,2e-3 seed=1", False),
        ("learning_rate=1e-3,2e-3", "learning_rate=1e-3,2e-3,3e-3", False),
    ],
)
def test_a_sweep_is_the_set_of_its_configurations(one, other, same):
    digests = {request("best_dit", sweep=each).digest for each in (one, other)}
    assert len(digests) == (1 if same else 2)
    numbered = [
        CATALOGUE.parameters(CATALOGUE.goal("best_dit"), {"sweep": each}).candidates()
        for each in (one, other)
    ]
    assert (numbered[0] == numbered[1]) == same  # also which number each of them has


class Strange(BaseModel):
    """The parameters of somebody who never heard of roles."""

    target: str = "scratch"
    tags: set[str] = Field(default_factory=set)
    limits: dict[str, float] = Field(default_factory=dict)
    at: Path = Path("here")


class Declared(Parameters):
    target: str = what("scratch", description="where it goes")
    workers: int = how(1, ge=1)
    plain: int = 3


def of_model(model, **values):
    return request_of(Goal("deployed", "Out", lambda _: (), model), model(**values), STATE)


class Icing(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    colour: str = "white"


@dataclass(frozen=True)
class Layer:
    fillings: frozenset[str] = frozenset()
    tin: Path = Path()


class CakeParameters(Parameters):
    icing: Icing = what(Icing())
    layer: Layer = what(Layer())
    grams: Decimal = what(Decimal(250))
    recipe: SecretStr = what(SecretStr("grandmother's"))
    mark: bytes = what(b"")
    toppings: list[str] = what(["nuts"])
    guests: dict[str, int] = what({})
    note: str = what("")
    weight: float = what(1.0)
    sliced: bool = what(False)
    count: int = what(1)
    rise: timedelta = what(timedelta(minutes=5))


CAKE = Goal("cake", "Cake", lambda _: (), CakeParameters)


@pytest.mark.parametrize(
    "spellings",
    [
        ({"icing": {"hardness": 2}}, {"icing": {"hardness": 2, "colour": "white"}}),
        ({"icing": {"hardness": 3}},),
        ({"layer": {"fillings": ["jam", "cream"]}}, {"layer": {"fillings": ["cream", "jam"]}}),
        ({"layer": {"tin": "tins/round"}}, {"layer": {"tin": str(Path.cwd() / "tins/round/")}}),
        ({"grams": "250.00"}, {"grams": "2.5E2"}, {}),
        ({"grams": "250.00000000000000000000000000000000001"},),
        ({"recipe": "grandmother's"}, {}),
        ({"recipe": "mine"},),
        ({"mark": b"\xff"},),
        ({"mark": b"\xfe"},),
        ({"rise": "PT300S"}, {"rise": "00:05:00"}, {}),
    ],
)
def test_a_value_of_any_kind_counts_and_no_spelling_of_it_does(spellings):
    every = [
        {"icing": {"hardness": 2}},
        {"icing": {"hardness": 3}},
        {"layer": {"fillings": ["jam", "cream"]}},
        {"layer": {"tin": "tins/round"}},
        {"grams": "250.00000000000000000000000000000000001"},
        {"recipe": "mine"},
        {"mark": b"\xff"},
        {"mark": b"\xfe"},
        {},
    ]

    def digest(values):
        return request_of(CAKE, CakeParameters.model_validate(values), STATE).digest

    (own,) = {digest(each) for each in spellings}
    assert [digest(each) for each in every].count(own) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"icing": {"hardness": 2, "colour": "red"}},
        {"layer": {"fillings": ["cream", "jam, and more"], "tin": "a b"}},
        {"toppings": ["[nut]", "a,b", "ä"]},
        {"guests": {"Ann": 2, "=": 0}},
        {"note": "[not a list]"},
        {"note": '{"not": "a mapping"}'},
        {"weight": 2.5, "sliced": True, "count": 10**20},
    ],
)
def test_what_was_said_in_json_is_the_same_request_when_a_process_is_given_it_in_words(values):
    catalogue = Catalogue(CATALOGUE.facts, (), (), (CAKE,))
    said = catalogue.parameters_of_json(CAKE, values)
    pairs = [word.partition("=") for word in words_of("cake", values)]
    words = {key: value for key, _, value in pairs if key != "goal"}
    again = catalogue.parameters(CAKE, words)
    assert request_of(CAKE, again, STATE) == request_of(CAKE, said, STATE)


def test_a_list_that_is_no_json_is_refused_as_it_was_written():
    with pytest.raises(UsageError, match=r"toppings='\[nut'"):
        Catalogue(CATALOGUE.facts, (), (), (CAKE,)).parameters(CAKE, {"toppings": "[nut"})


def test_the_digest_of_a_set_within_a_value_is_the_same_in_each_process():
    script = "from tests.agents.test_identity import *; print(request_of(CAKE, CakeParameters("
    script += "layer=Layer(frozenset('abcdefgh'))), STATE).digest)"
    run = partial(subprocess.run, capture_output=True, text=True, check=True)
    command = [sys.executable, "-c", script]
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    assert len({run(command, env=each).stdout for each in seeds}) == 1


def test_a_secret_is_part_of_the_request_and_cannot_be_read_in_it():
    asked = request_of(CAKE, CakeParameters(recipe=SecretStr("xyzzy")), STATE)
    assert "xyzzy" not in str(asked.what)
    assert "*" not in str(asked.what["recipe"])


def test_a_parameter_that_has_no_canonical_value_is_refused_by_its_type():
    class Odd(Parameters):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: object = what(object())

    with pytest.raises(UsageError, match="object has no canonical value"):
        request_of(Goal("odd", "Odd", lambda _: (), Odd), Odd(), STATE)


@pytest.mark.parametrize("goal", sorted(CATALOGUE.goals))
def test_a_null_character_is_refused_where_it_is_typed(goal):
    with pytest.raises(UsageError, match=r"repo=.*null character"):
        request(goal, repo="here\0")


def test_of_a_plain_model_everything_counts_as_what():
    assert of_model(Strange).digest != of_model(Strange, target="production").digest
    assert of_model(Strange).how == {}
    orders = [{"tags": set(each)} for each in (("a", "b", "c"), ("c", "a", "b"))]
    orders += [{"tags": {"a", "b", "c"}, "at": Path("./here/")}]
    assert len({of_model(Strange, **each).digest for each in orders}) == 1
    by_key = [{"limits": {"x": 1, "y": 2}}, {"limits": {"y": 2.0, "x": 1.0}}]
    assert len({of_model(Strange, **each).digest for each in by_key}) == 1


def test_a_parameter_without_a_role_counts_as_what():
    assert [role_of(Declared, name) for name in Declared.model_fields] == ["what", "how", "what"]
    one, two = of_model(Declared), of_model(Declared, workers=2)
    assert (one.what_digest == two.what_digest, one.digest == two.digest) == (True, False)
    assert of_model(Declared, plain=4).what_digest != one.what_digest


def test_the_same_values_of_two_goals_are_two_requests():
    assert request("trained_dit").what_digest != request("best_dit").what_digest
