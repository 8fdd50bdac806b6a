"""What the examples promise: a plan, a run, once more nothing to do; here and on the rehearsal."""

import json

import pytest

QUICK = [("bash", "darts"), ("foreign", "fit"), ("char_lm", "char_lm")]
COMPUTES = ["local", pytest.param("loopback", marks=pytest.mark.slow)]


def shown_to_work(example, *words):
    """Plan, run, run again; returns the names of the steps that were planned."""
    steps = [step["action"] for step in example.plan(*words)["steps"]]
    first = example.run(*words)
    assert first["status"] == "done"
    assert example.plan(*words)["steps"] == []
    assert example.run(*words)["status"] == "nothing to do"
    return steps


@pytest.mark.parametrize("compute", COMPUTES)
@pytest.mark.parametrize(("name", "training"), QUICK)
def test_an_example_is_planned_run_and_done(example, name, training, compute):
    job = example(name, training)
    steps = shown_to_work(job, f"compute={compute}")
    assert f"train_{training}" in steps


@pytest.mark.parametrize(("name", "training"), QUICK)
def test_an_example_is_declared_in_few_lines(example, name, training):
    text = (example(name, training).folder / "job.py").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith('"""')]
    assert len(lines) <= 32


def test_the_verdict_names_gates_checkpoint_and_seconds(example):
    job = example("foreign", "fit")
    job.run()
    (training,) = job.trainings()
    verdict = json.loads((training / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["status"] == "completed"
    assert [gate["passed"] for gate in verdict["gates"]] == [True]
    assert verdict["checkpoint"]["step"] == 200
    assert verdict["seconds"] > 0


def test_another_setting_is_another_training_and_the_first_stays(example):
    job = example("foreign", "fit")
    job.run("max_steps=100")
    job.run("max_steps=150")
    assert len(job.trainings()) == 2
    assert job.run("max_steps=100")["status"] == "nothing to do"
