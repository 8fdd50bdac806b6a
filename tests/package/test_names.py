"""Folders beside a job that are called like our packages."""

import json

import pytest

NAMES = ("agents", "goals", "actions", "training", "templates")


def crowd(job, *names):
    for name in names:
        job.write(f"{name}/__init__.py", f"raise RuntimeError('{name} of the job was imported')\n")
        job.write(f"{name}/__main__.py", f"raise RuntimeError('{name} of the job was run')\n")


def test_goap_runs_a_job_beside_folders_with_all_of_our_names(job):
    crowd(job, *NAMES)
    done = job.goap("run", "goal=bread", PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    assert (job.folder / "bread").exists()
    again = job.goap("run", "goal=bread", PYTHONPATH=".")
    assert "nothing to do" in again.stderr
    shown = json.loads(job.goap("show", "last", "--json").stdout)
    assert shown["data"]["status"] == "done"


def test_python_m_agents_runs_a_job_beside_all_of_them_but_an_agents_folder(job):
    crowd(job, *NAMES[1:])
    done = job.module("run", "goal=bread")
    assert done.returncode == 0, done.stderr
    assert (job.folder / "bread").exists()


def test_python_itself_takes_an_agents_folder_for_the_program_unless_it_is_told_not_to(job):
    crowd(job, "agents")
    assert "agents of the job was imported" in job.module("goals").stderr
    done = job.call("-P", "-m", "agents", "goals", PYTHONPATH=job.path)
    assert done.returncode == 0, done.stderr
    assert "bread" in done.stdout


def test_the_commands_of_trainings_are_reached_through_goap(job):
    crowd(job, *NAMES)
    done = job.goap("training", "list", PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    assert "no training in volume" in done.stdout
    assert job.goap("training", "--help").stdout.startswith("usage: goap training ")
    assert job.goap("training", "nonsense").returncode == 2


@pytest.mark.parametrize("name", NAMES)
def test_our_own_goals_are_planned_beside_a_folder_or_a_file_of_that_name(job, name):
    (job.folder / "pyproject.toml").unlink()
    crowd(job, name)
    assert job.goap("plan", "goal=trained_dit").returncode == 0
    crowd_file = job.folder / f"{name}.py"
    crowd_file.write_text("raise RuntimeError\n", encoding="utf-8")
    assert job.goap("plan", "goal=trained_dit", PYTHONPATH=".").returncode == 0


def test_what_goap_starts_itself_is_ours_too(job):
    from goap_start import PROGRAM

    crowd(job, *NAMES)
    done = job.call(*PROGRAM[1:], "goals", "--json", PYTHONPATH=".")
    assert [goal["name"] for goal in json.loads(done.stdout)["data"]] == ["bread"]
