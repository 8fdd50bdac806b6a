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
NAMES = ["envelope", "error", "event", "plan", "run", "show"]


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
    shown = ask("show", ran["run"])
    fits("show", shown)
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
