"""One declared training, from an empty folder to its records, on this machine."""

import json
import platform

import pytest


def test_a_plan_says_what_it_would_do_and_why(desk):
    plan = desk.goap("plan", "goal=counter_trained", "--json").data
    assert [step["action"] for step in plan["steps"]] == [
        *("build_counter_image", "train_counter", "commit_counter", "prune_counter"),
        "update_docs",
    ]
    assert {step["cost"]["usd"] for step in plan["steps"]} == {0.0}
    changes = {fact["name"] for fact in plan["facts"] if fact["will_be"] != fact["value"]}
    assert changes == {"counter_image", "counter_trained", "counter_committed"}
    assert not desk.volume.exists()


def test_a_run_trains_once_and_the_same_run_again_has_nothing_to_do(desk):
    assert desk.run().data["status"] == "done"
    assert desk.verdict()["status"] == "completed"
    assert desk.verdict()["numbers"]["val_loss"] == pytest.approx(0.1)
    assert desk.run().data["status"] == "nothing to do"
    assert desk.started().count("train_counter") == 1


def test_the_declared_python_is_that_of_the_image_and_here_the_one_that_is_there_is_named(desk):
    here = platform.python_version()
    another = "3.12" if not here.startswith("3.12.") else "3.13"
    desk.change("job.py", "gates=", f'python="{another}",\n    gates=')
    desk.run()
    assert desk.verdict()["python"] == here
    (proof,) = (desk.volume / "images").glob("*.json")
    assert json.loads(proof.read_text(encoding="utf-8"))["python"] == here


def test_a_script_that_saves_a_manifest_of_its_own_is_committed_with_it(desk):
    for before in ('(checkpoint / "state.json")', '(directory / "state.json")'):
        desk.change("train.py", before, before.replace("state", "manifest"))
    desk.run()
    newest = max(desk.training().glob("checkpoints/step-*"))
    commit = json.loads((desk.training() / "commit.json").read_text(encoding="utf-8"))
    saved = {f"{newest.relative_to(desk.volume)}/{each.name}" for each in newest.iterdir()}
    assert {path.rpartition("/")[2] for path in saved} == {"manifest.json", "goap-manifest.json"}
    assert saved <= commit["files"].keys()
    assert desk.run().data["status"] == "nothing to do"


def test_what_a_run_measured_is_recorded_with_its_sources(desk):
    desk.run()
    (adr,) = (desk.folder / "plans").glob("ADR-*.md")
    (record,) = (desk.folder / "agents-docs" / "runs").iterdir()
    key = desk.training().name
    for text in (adr.read_text("utf-8"), record.read_text("utf-8")):
        assert key in text
        assert f"trainings/{key}/verdict.json" in text
        assert "val_loss" in text
    assert "counter" in (desk.folder / "agents-docs" / "learnings.md").read_text("utf-8")
    assert desk.goap("docs", "check").code == 0


def test_another_setting_is_another_training_and_the_better_one_is_promoted(desk):
    desk.run()
    desk.run("lr=0.005")
    desk.run("lr=0.05")
    assert len(desk.trainings()) == 3
    adrs = sorted(path.name for path in (desk.folder / "plans").glob("ADR-*.md"))
    assert len(adrs) == 2  # the second is better, the third is evidence for it
    assert "superseded" in (desk.folder / "plans" / adrs[0]).read_text("utf-8").lower()


def test_only_what_the_policy_keeps_is_left_and_a_new_policy_is_applied_without_training(desk):
    desk.run()
    assert [path.name for path in sorted(desk.training().glob("checkpoints/step-*"))] == [
        *("step-00000025", "step-00000030")
    ]
    desk.change("job.py", "Keep(last=2)", "Keep(last=1)")
    desk.run()
    assert len(list(desk.training().glob("checkpoints/step-*"))) == 1
    assert desk.started().count("train_counter") == 1
    assert "prune_counter" in desk.started()[-2:]


def test_a_gate_is_judged_by_the_threshold_of_now_and_trains_nothing_again(desk):
    desk.change("job.py", '"<=", 1.0', '"<=", 0.01')
    failed = desk.run(code=1).error
    assert "val_loss" in failed["message"]
    desk.change("job.py", '"<=", 0.01', '"<=", 1.0')
    desk.run()
    assert json.loads((desk.training() / "attempts.json").read_text())["count"] == 1


def test_a_setting_that_makes_no_sense_is_refused_in_its_own_words(desk):
    answer = desk.goap("plan", "goal=counter_trained", "steps=0", "--json")
    assert answer.code == 2
    assert "steps" in answer.error["message"]
    answer = desk.goap("plan", "goal=counter_trained", "stepz=3", "--json")
    assert "steps" in answer.error["message"]


def test_every_door_knows_the_training(desk):
    desk.run()
    assert "counter_trained" in desk.goap("goals").out
    for words in (
        *(("status", "goal=counter_trained"), ("explain", "counter_trained")),
        *(("explain", "train_counter"), ("explain", "counter_image")),
        *(("show", "last"), ("runs",)),
    ):
        answer = desk.goap(*words)
        assert answer.code == 0, answer.err
    assert desk.goap("report", "last").code == 0
    schema = json.loads(desk.goap("schema", "goal-counter_trained").out)
    assert schema["properties"]["lr"]["description"] == "learning rate"


def test_a_plan_that_was_seen_for_another_source_is_stale(desk):
    digest = desk.goap("plan", "goal=counter_trained", "--json").data["digest"]
    desk.change("trouble.py", "return loss", "return loss  # another source")
    desk.run(f"plan_digest={digest}", code=6)
    assert not desk.volume.exists()


def test_a_script_cannot_pass_its_words_off_as_what_the_runner_measured(desk):
    boast = '{"val_loss": 0.1, "seconds": 1e9, "training_key": "mine", "device": "the sun"}'
    desk.change(
        "train.py",
        "run.finish(val_loss=lr * 10, state=state)",
        f"(run.directory / 'result.json').write_text({boast!r})",
    )
    desk.run()
    (record,) = (desk.folder / "agents-docs" / "runs").iterdir()
    text = record.read_text("utf-8")
    assert "mine" not in text
    assert "the sun" not in text
    assert "000000000" not in text.replace(",", "")


def test_what_a_run_writes_is_no_part_of_a_source_that_is_the_whole_folder(desk):
    desk.change("job.py", '["train.py", "trouble.py"]', '["."]')
    words = ("volume=made/here", "state=remembered")
    assert desk.run(*words).data["status"] == "done"
    assert (desk.folder / "plans").is_dir()
    assert desk.run(*words).data["status"] == "nothing to do"
    (training,) = (desk.folder / "made" / "here" / "trainings").iterdir()
    staged = {path.name for path in (training / "source").iterdir()}
    assert staged == {"train.py", "trouble.py", "job.py", "pyproject.toml"}
