"""Triggers: which event prompts a look at which goal."""

import pytest

from agents.declare.triggers import matches_path, on
from agents.errors import UsageError
from agents.ledger.events import new_event
from agents.ledger.payloads import GitCommit, RunFinished, ScheduleDue, WebhookReceived


def commit(*paths, branch="main"):
    return new_event(GitCommit(commit="c0ffee", branch=branch, paths=paths), subject=branch)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("training/**", "training/learn/dit.py", True),
        ("training/**", "training/data/pets.py", True),
        ("training/**", "training.md", False),
        ("training/*.py", "training/data/pets.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("*.md", "docs/a.md", False),
        ("a?.txt", "ab.txt", True),
        ("a?.txt", "a/.txt", False),
        ("odd (name)+[1].txt", "odd (name)+[1].txt", True),
        ("training/**", "old/training/model.py", False),
    ],
)
def test_a_pattern_fits_the_paths_a_person_would_expect(pattern, path, fits):
    assert matches_path(path, [pattern]) is fits


def test_a_commit_matches_by_path_and_branch():
    trigger = on("git.commit", paths=["training/**", "requirements.txt"], branch="main")
    assert trigger.matches(commit("README.md", "training/learn/dit.py"))
    assert not trigger.matches(commit("README.md"))
    assert not trigger.matches(commit("training/learn/dit.py", branch="draft"))
    assert not trigger.matches(commit())
    assert on("git.commit").matches(commit())


def test_the_data_of_an_event_decides_and_a_sender_cannot_pose_as_somebody_else():
    trigger = on("webhook.received", where={"name": "retrain", "ref": "main"})
    data = {"name": "retrain", "fields": {"ref": "main"}}
    assert trigger.matches(new_event(WebhookReceived(**data)))
    posing = {"name": "other", "fields": {"ref": "main", "name": "retrain"}}
    assert not trigger.matches(new_event(WebhookReceived(**posing)))
    assert on("run.finished", where={"goal": "served", "status": "done"}).matches(
        new_event(RunFinished(status="done"), subject="served")
    )


def test_a_schedule_matches_its_own_moments_only():
    trigger = on(every="15m")
    assert trigger.matches(new_event(ScheduleDue(due="2026-02-28"), subject="every 15m"))
    assert not trigger.matches(new_event(ScheduleDue(due="2026-02-28"), subject="every 6h"))


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"event": "a", "every": "1h"},
        {"every": "1h", "daily": "06:00"},
        {"event": "file.changed"},
        {"cron": "x"},
        {"every": "1h", "zone": "Europe/Zurich"},
        {"event": "a", "zone": "Europe/Zurich"},
    ],
)
def test_a_trigger_that_makes_no_sense_is_refused_when_it_is_declared(declared):
    with pytest.raises(UsageError):
        on(**declared)
