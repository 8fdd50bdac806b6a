"""``goap gc``: what nothing cites is listed with its size; ``--yes`` deletes it."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD, YOUNG, CITED, DECIDED, RUNS = ("a1" * 8, "b2" * 8, "c3" * 8, "d4" * 8, "e5" * 8)


@pytest.fixture
def many(desk):
    """Trainings, most of them written long ago; one is in the ledger, one in a decision."""
    for key in (OLD, YOUNG, CITED, DECIDED):
        desk.log("x" * 1000, key)
    desk.run("20260101-aaaa", CITED)
    decision = desk.folder / "plans" / "0001-x.md"
    decision.parent.mkdir()
    decision.write_text(f"Decided by training {DECIDED[:12]}.", encoding="utf-8")
    age(desk, OLD, CITED, DECIDED)
    return desk


def age(desk, *keys):
    for key in keys:
        for path in desk.directory(key).path.rglob("*"):
            os.utime(path, (time.time() - 40 * 86_400,) * 2)


def found(desk, *words):
    return json.loads(desk.goap("gc", *words, "--json").out)["data"]


def test_it_is_listed_with_its_size_and_nothing_is_deleted(many):
    data = found(many)
    path = f"trainings/{OLD}"
    assert data["found"] == [{"kind": "training", "path": path, "bytes": 1000}]
    assert (data["bytes"], data["kept"], data["deleted"]) == (1000, 3, [])
    said = many.goap("gc").out
    assert said.startswith(f"training  trainings/{OLD}  0.0 MB\n1 that nothing cites, 0.0 MB; 3")
    assert f"records of {many.folder}, no others" in said
    assert many.directory(OLD).log_path.exists()


def test_with_yes_it_is_deleted_and_then_there_is_nothing_more(many):
    assert found(many, "--yes")["deleted"] == [f"trainings/{OLD}"]
    volume = many.state / "volume" / "trainings"
    assert sorted(each.name for each in volume.iterdir()) == [YOUNG, CITED, DECIDED]
    assert "nothing to delete: 3 things are cited" in many.goap("gc", "--yes").out


def test_records_of_other_repositories_count_where_they_are_named(many):
    other = many.folder / "other"
    (other / "agents-docs").mkdir(parents=True)
    (other / "agents-docs" / "learnings.md").write_text(f"seen in {OLD}", encoding="utf-8")
    assert found(many, f"also={other}")["found"] == []


def test_what_runs_stays_however_old_it_is(many):
    training = many.trains(RUNS)
    age(many, RUNS)
    assert f"trainings/{RUNS}" not in [each["path"] for each in found(many)["found"]]
    training.kill()
    training.wait()
    assert f"trainings/{RUNS}" in [each["path"] for each in found(many)["found"]]


def test_how_old_it_has_to_be_is_said(many):
    assert len(found(many, "older=90d")["found"]) == 0
    many.goap("gc", "older=soon", code=2)


JOB = """
from actions import toolkit
from training import Training

CATALOGUE = toolkit(Training("tiny", command="python script.py", source=["script.py"]))
"""


def test_what_a_declaration_of_now_could_be_stays_until_its_source_is_another(desk):
    (desk.folder / "job.py").write_text(JOB, encoding="utf-8")
    (desk.folder / "script.py").write_text("print('one')", encoding="utf-8")
    text = '[tool.goap]\ncatalogue = "job:CATALOGUE"\n'
    (desk.folder / "pyproject.toml").write_text(text, encoding="utf-8")
    script = """
from actions.trained.files import source_at
from agents.declare.chosen import chosen, load
from training.declare.order import order_of
import os, pathlib, sys
goal = next(iter(load(chosen(pathlib.Path.cwd(), {})).goals.values()))
training, params = goal.parameters.chain[-1], goal.parameters()
source = source_at(training, params, pathlib.Path(".goap"))
print(order_of(training, params.settings_of(training), source).to_json())
"""
    making = desk.start(
        [sys.executable, "-c", script],
        cwd=desk.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=-1,
        text=True,
    )
    order = json.loads(making.communicate()[0])
    directory = desk.directory(order["key"])
    (directory.path / "spec.json").write_text(json.dumps(order), encoding="utf-8")
    age(desk, order["key"])
    listed = desk.begins("gc", "--json").communicate()[0]
    assert json.loads(listed)["data"]["found"] == []
    (desk.folder / "script.py").write_text("print('two')", encoding="utf-8")
    listed = desk.begins("gc", "--json").communicate()[0]
    paths = [each["path"] for each in json.loads(listed)["data"]["found"]]
    assert paths == [f"trainings/{order['key']}"]
