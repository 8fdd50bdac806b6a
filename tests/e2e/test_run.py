"""One training from nothing, and what a second run of the same goal does."""

import hashlib
import json
from pathlib import Path


def fingerprint(*roots: Path) -> dict[str, tuple[str, int]]:
    """Content and time of change of everything below."""
    return {
        str(path): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for root in roots
        for path in sorted([root, *root.rglob("*")])
    }


def test_a_goal_is_reached_from_nothing_and_every_step_is_told_and_recorded(finished):
    desk, ended = finished
    assert ended.code == 0, ended.err
    assert ended.out == ""
    assert "done: trained_dit holds" in ended.err
    verified = {event.data["action"] for event in desk.events("step.verified")}
    assert verified >= {"build_image", "prepare_data", "train", "commit_volume", "update_docs"}
    assert desk.launches() == ["launched"]
    assert list((desk.repo / "plans").glob("ADR-001-*.md"))


def test_again_there_is_nothing_to_do_and_no_file_is_touched(finished):
    desk, _ = finished
    before = fingerprint(desk.state, desk.repo)
    ended = desk.run("run", *desk.trained)
    assert ended.code == 0
    assert ended.err.startswith("nothing to do: trained_dit holds")
    assert fingerprint(desk.state, desk.repo) == before


def test_a_plan_as_json_is_one_document_and_changes_nothing(finished):
    desk, _ = finished
    before = fingerprint(desk.state, desk.repo)
    document = json.loads(desk.run("plan", *desk.trained, "seed=1", "--json").out)
    assert document["ok"]
    actions = [step["action"] for step in document["data"]["steps"]]
    assert actions[0] == "train"
    assert "prepare_data" not in actions
    assert "build_image" not in actions
    assert fingerprint(desk.state, desk.repo) == before


def test_the_result_of_a_run_as_json_is_one_document(finished):
    desk, _ = finished
    document = json.loads(desk.run("run", *desk.trained, "--json").out)
    assert document["data"]["status"] == "nothing to do"
    values = {fact["name"]: fact["value"] for fact in document["data"]["facts"]}
    assert values["dit_trained"] is True


def test_a_misspelt_goal_is_a_usage_error_with_the_nearest_name(finished):
    desk, _ = finished
    ended = desk.run("plan", "goal=trained_ditt")
    assert ended.code == 2
    assert "did you mean 'trained_dit'" in ended.err


def test_a_misspelt_setting_of_the_training_is_a_usage_error_with_the_nearest_name(finished):
    desk, _ = finished
    ended = desk.run("plan", *desk.asked(), "save_evry=5")
    assert ended.code == 2
    assert "did you mean 'save_every'" in ended.err


def test_an_impossible_setting_is_named_once_with_what_is_wrong_with_it(finished):
    desk, _ = finished
    ended = desk.run("plan", *desk.asked(), "steps=-3")
    assert ended.code == 2
    assert ended.err.splitlines()[0] == (
        "error: steps='-3': Input should be greater than or equal to 1"
    )
