"""The committed JSON Schemas: what the toolkit really prints fits them, and they do not drift."""

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

from agents.__main__ import load_catalogue
from agents.cli.main import invoke
from agents.errors import UsageError
from agents.schemas import schemas, write_schemas

FOLDER = Path(__file__).parents[2] / "agents" / "schemas"
NAMES = ["envelope", "error", "event", "plan", "run", "show", "show-events"]


def committed(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def fits(name, document):
    schema = committed(name)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.fixture
def kitchen():
    """The small world that the tests of the server use too."""
    path = Path(__file__).parents[1] / "mcp" / "kitchen.py"
    spec = importlib.util.spec_from_file_location("schema_kitchen", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(tmp_path, capsys):
    """The document a command prints, which always fits the envelope."""

    def ask(*words):
        invoke(load_catalogue, [*words, f"state={tmp_path / 'state'}", "--json"])
        document = json.loads(capsys.readouterr().out)
        fits("envelope", document)
        return document

    return ask


def test_the_committed_schemas_are_those_of_the_code(tmp_path):
    """When this fails: make schemas."""
    written = write_schemas(load_catalogue(), tmp_path)
    assert sorted(path.name for path in written) == sorted(
        path.name for path in FOLDER.glob("*.json")
    )
    for path in written:
        assert (FOLDER / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


def test_writing_twice_changes_nothing(tmp_path):
    assert write_schemas(load_catalogue(), tmp_path)
    assert write_schemas(load_catalogue(), tmp_path) == []


def test_every_schema_is_a_valid_schema():
    found = schemas(load_catalogue())
    assert set(NAMES) < set(found)
    for schema in found.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("goal", ["trained_dit", "trained_classifier", "documented"])
def test_a_plan_fits_its_schema(ask, goal):
    fits("plan", ask("plan", f"goal={goal}")["data"])


def test_a_plan_that_cannot_be_fits_its_schema(ask):
    fits("plan", ask("plan", "goal=trained_dit", "compute=modal")["data"])


@pytest.mark.parametrize("words", [["plan", "goal=nothing"], ["show", "gone"], ["plann"]])
def test_an_error_fits_its_schema(ask, words):
    fits("error", ask(*words)["error"])


def test_a_run_its_story_and_its_events_fit_their_schemas(kitchen, tmp_path, capsys):
    def ask(*words):
        invoke(kitchen.kitchen, [*words, f"state={tmp_path / 'state'}", "--json"])
        document = json.loads(capsys.readouterr().out)
        fits("envelope", document)
        return document["data"]

    (tmp_path / "gas").touch()
    ran = ask("run", "goal=served", f"room={tmp_path}")
    assert (ran["status"], ran["steps"]) == ("done", ["boil", "brew"])
    fits("run", ran)
    fits("run", ask("run", "goal=served", f"room={tmp_path}"))
    fits("plan", ask("plan", "goal=dream", f"room={tmp_path}"))
    fits("plan", ask("plan", "goal=party", f"room={tmp_path}", "max_cost=1"))
    fits("show", ask("show", ran["run"]))
    shown = ask("show", ran["run"], "--events")
    fits("show-events", shown)
    assert len(shown["events"]) > 8
    for event in shown["events"]:
        fits("event", event)


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.pop("digest"),
        lambda plan: plan.update(status="fine"),
        lambda plan: plan.update(surprise=1),
        lambda plan: plan["steps"][0].pop("why"),
        lambda plan: plan["facts"][0].update(sign="!"),
    ],
)
def test_a_plan_that_is_not_as_promised_is_noticed(ask, change):
    plan = ask("plan", "goal=trained_dit")["data"]
    change(plan)
    with pytest.raises(jsonschema.ValidationError):
        fits("plan", plan)


def test_the_parameters_of_a_goal_are_those_the_command_line_takes():
    catalogue = load_catalogue()
    for name, goal in catalogue.goals.items():
        properties = set(committed(f"goal-{name}")["properties"])
        assert properties == set(goal.parameters.model_fields)
        with pytest.raises(UsageError):
            catalogue.parameters(goal, {"nonsense": "1"})
        assert committed(f"goal-{name}")["additionalProperties"] is False


def test_the_command_names_prints_and_writes_schemas(capsys, tmp_path):
    assert invoke(load_catalogue, ["schema"]) == 0
    assert set(NAMES) < set(capsys.readouterr().out.split())
    assert invoke(load_catalogue, ["schema", "plan"]) == 0
    assert json.loads(capsys.readouterr().out) == committed("plan")
    assert invoke(load_catalogue, ["schema", f"out={tmp_path}"]) == 0
    assert (tmp_path / "plan.json").is_file()
    assert invoke(load_catalogue, ["schema", "pln"]) == 2
    assert "did you mean 'plan'?" in capsys.readouterr().err


VALID = [
    {"steps": 800},
    {"learning_rate": 1},
    {"betas": [0.8, 0.99]},
    {"ema_stds": [0.05]},
    {"sampler": "euler", "precision": "fp32", "augment": False},
    {"preset": "smoke", "compute": "modal", "slice_seconds": 600},
    {"steps": None, "threads": None},
    {"commit": True, "repo": "elsewhere"},
]
INVALID = [
    {"steps": "many"},
    {"steps": "800"},
    {"steps": 0},
    {"steps": 2.5},
    {"steps": True},
    {"sampler": "nonsense"},
    {"precision": "fp64"},
    {"augment": "yes"},
    {"betas": [0.9]},
    {"betas": [0.9, 1.5]},
    {"betas": "0.9,0.95"},
    {"constant_until": 1.01},
    {"learning_rate": 0},
    {"seed": -1},
    {"image_size": 4},
    {"preset": "huge"},
    {"compute": "cloud"},
    {"threads": 0},
    {"slice_seconds": -5},
    {"commit": 1},
    {"nonsense": 1},
]


@pytest.mark.parametrize("goal", ["trained_dit", "trained_classifier", "best_dit"])
@pytest.mark.parametrize("values", VALID)
def test_values_that_fit_the_schema_of_a_goal_are_taken(goal, values):
    fits(f"goal-{goal}", values)
    catalogue = load_catalogue()
    catalogue.parameters_of_json(catalogue.goal(goal), values)


@pytest.mark.parametrize("goal", ["trained_dit", "trained_classifier", "best_dit"])
@pytest.mark.parametrize("values", INVALID)
def test_values_that_do_not_fit_it_are_refused_by_the_schema_and_by_us(goal, values):
    with pytest.raises(jsonschema.ValidationError):
        fits(f"goal-{goal}", values)
    catalogue = load_catalogue()
    with pytest.raises(UsageError) as caught:
        catalogue.parameters_of_json(catalogue.goal(goal), values)
    assert next(iter(values)) in caught.value.message


def test_words_of_a_command_line_are_read_as_those_types():
    catalogue = load_catalogue()
    goal = catalogue.goal("trained_dit")
    words = {"steps": "800", "betas": "0.8, 0.99", "augment": "no", "learning_rate": "1"}
    values = {"steps": 800, "betas": [0.8, 0.99], "augment": False, "learning_rate": 1}
    assert catalogue.parameters(goal, words) == catalogue.parameters_of_json(goal, values)


@pytest.mark.parametrize("name", ["goal", "action", "fact"])
def test_what_is_explained_fits_its_schema(ask, name):
    named = {"goal": "trained_dit", "action": "train", "fact": "free_mb"}[name]
    explained = ask("explain", named)["data"]
    fits(f"explain-{name}", explained)
    fits("status", ask("status", "goal=trained_dit")["data"])
    if name == "goal":
        rows = {row["name"]: row for row in explained["parameters"]}
        assert rows["steps"]["type"] == "integer >= 1"
        assert rows["sampler"]["type"] == "heun | euler"
        assert rows["betas"]["type"].startswith("list of number > 0")
        assert (rows["threads"]["role"], rows["dataset"]["role"]) == ("how", "what")
        assert (rows["commit"]["default"], rows["dataset"]["default"]) == (False, "synthetic")
        assert "model" not in rows
