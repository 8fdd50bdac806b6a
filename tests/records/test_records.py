"""From a ledger to documents and back: the whole way, in real repositories."""

import subprocess
import sys
from pathlib import Path

import pytest
from told import outdated, verify_records, write_records

from agents.declare.outcome import Outcome, Ranking
from agents.errors import ActionFailed
from agents.records.adr.by_hand import list_adrs
from agents.records.adr.consistency import check_adrs

ADR = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"


def test_a_training_is_written_down_as_adr_learning_run_record_and_index(story, repository):
    story.train("r1")
    changed = write_records(story.events, repository.root)
    assert [str(change.path) for change in changed] == [
        "agents-docs/learnings.md",
        "agents-docs/runs/r1.md",
        ADR,
        "plans/INDEX.md",
    ]
    adr = repository.read(ADR)
    assert "# ADR-001: Promote a dit trained on catfaces64\n\n**Date:** 2026-02-28\n" in adr
    assert "**Status:** Proposed\n" in adr
    sections = [line for line in adr.splitlines() if line.startswith("## ")]
    assert sections == [
        "## Context",
        "## Decision",
        "## Consequences",
        "## Alternatives Considered",
        "## Evidence",
        "## Confirmation",
        "## References",
    ]
    source = "Read from `trainings/key-r1/result.json` (sha256 `abababababab`), event 4:\n"
    assert f"{source}\n| Measured | Value |\n|---|---|\n| steps | 2000 steps |\n" in adr
    assert "\n| loss_final | 0.41803 |\n" in adr
    assert "| not_noise | neighbour_correlation | 0.91 | &gt;= 0.5 | passed | 4 |" in adr


def test_writing_a_second_time_changes_no_byte(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    before = repository.files()
    assert write_records(story.events, repository.root) == []
    assert outdated(story.events, repository.root) == []
    assert repository.files() == before


def test_the_step_that_writes_and_the_end_of_its_run_change_no_byte(story, repository):
    story.train("r1", documents=False)
    write_records(story.events, repository.root)
    story.fail_step("r1", "update_docs", "a hook failed", name="commit_refused")
    story.finish_step("r1", "update_docs", Outcome(summary="4 records"))
    story.end("r1")
    assert outdated(story.events, repository.root) == []


def test_a_run_that_trains_nothing_changes_no_byte(story, repository, outcome_of_training):
    story.train("r1")
    write_records(story.events, repository.root)
    story.begin("r2")
    story.fail_step("r2", "validate_auth", "no answer", failure_class="transient")
    story.finish_step("r2", "validate_auth", Outcome(summary="token is valid"))
    story.finish_step("r2", "train", outcome_of_training("r1"))
    story.finish_step("r2", "update_docs", Outcome(summary="nothing to write"))
    story.end("r2")
    assert outdated(story.events, repository.root) == []


def test_without_a_training_nothing_is_outdated_and_no_template_is_loaded(tmp_path):
    code = (
        "import sys; from pathlib import Path; from agents.records import outdated;"
        f"assert outdated([], Path({str(tmp_path)!r})) == [];"
        "print([name for name in ('jinja2', 'git') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_outdated_writes_nothing(story, repository):
    story.train("r1")
    before = repository.files()
    assert outdated(story.events, repository.root) != []
    assert repository.files() == before


def test_a_second_training_adds_its_evidence_to_the_same_adr(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    story.train("r2", loss=0.25)
    changed = write_records(story.events, repository.root)
    assert {str(change.path) for change in changed} == {
        "agents-docs/learnings.md",
        "agents-docs/runs/r2.md",
        ADR,
    }
    adr = repository.read(ADR)
    assert "0.41803" in adr
    assert "| loss_final | 0.25 |" in adr


def test_a_changed_decision_makes_an_adr_that_supersedes_the_old_one_on_both_sides(
    story, repository
):
    story.train("r1")
    write_records(story.events, repository.root)
    story.train("r2", decision="Use the exponential average instead.")
    write_records(story.events, repository.root)
    name = ADR.replace("ADR-001", "ADR-002").rpartition("/")[2]
    assert f"**Status:** Superseded by [ADR-002]({name})\n" in repository.read(ADR)
    newer = repository.read(f"plans/{name}")
    assert f", supersedes [ADR-001]({ADR.rpartition('/')[2]})\n" in newer
    assert "n2 -->|supersedes| n1" in repository.read("plans/INDEX.md")
    assert outdated(story.events, repository.root) == []


def test_a_better_checkpoint_supersedes_and_one_that_is_not_only_adds_its_evidence(
    story, repository, outcome_of_training
):
    def train(run, loss, dataset="7d" * 8):
        outcome = outcome_of_training(run, loss=loss, decision=f"Use checkpoint {run}.")
        ranking = Ranking(measurement="loss_final", best="lowest")
        story.begin(run)
        story.finish_step(
            run,
            "train",
            outcome.model_copy(
                update={
                    "decision": outcome.decision.model_copy(update={"ranking": ranking}),
                    "provenance": {**outcome.provenance, "dataset_digest": dataset},
                }
            ),
        )
        write_records(story.events, repository.root)
        return [each.status for each in list_adrs(repository.root)]

    assert train("r1", 0.4) == ["Proposed"]
    assert train("r2", 0.45) == ["Proposed"]
    text = repository.read(ADR)
    assert "This is what was chosen: loss_final 0.4, then the lowest." in text
    assert "Not chosen: loss_final 0.45 is not better than 0.4 of `key-r1`." in text
    assert len(train("r3", 0.3)) == 2
    assert "Superseded by [ADR-002]" in repository.read(ADR)
    assert "Use checkpoint r3." in repository.read(ADR.replace("001", "002"))
    # other photos are another yardstick
    assert len(train("r4", 0.9, dataset="00" * 8)) == 3
    assert check_adrs(repository.root) == []
    assert verify_records(story.events, repository.root).ok


def test_a_mitigated_failure_is_a_decision_and_one_that_was_only_tried_again_is_none(
    story, repository, outcome_of_training
):
    def plan(run, *actions):
        steps = [{"id": action, "action": action, "after": []} for action in actions]
        story.tell("plan.made", run, {"digest": "d", "steps": steps, "because": ""})

    story.begin("r1")
    plan("r1", "prepare_data", "train")
    story.fail_step("r1", "train", "no answer", name="unreachable", failure_class="transient")
    story.finish_step("r1", "prepare_data", Outcome(summary="8 photos"))
    story.fail_step("r1", "train", "CUDA: 80 GB", name="out_of_memory", failure_class="resource")
    plan("r1", "halve_micro_batch", "train")
    story.finish_step("r1", "halve_micro_batch", Outcome(summary="micro-batch 32 → 16"))
    story.fail_step("r1", "train", "CUDA: 79 GB", name="out_of_memory", failure_class="resource")
    plan("r1", "halve_micro_batch", "train")
    story.finish_step("r1", "halve_micro_batch", Outcome(summary="micro-batch 16 → 8"))
    story.finish_step("r1", "train", outcome_of_training("r1"))
    write_records(story.events, repository.root)
    titles = [each.title for each in list_adrs(repository.root)]
    answer = "Answer out of memory of train with halve_micro_batch"
    assert titles == ["Promote a dit trained on catfaces64", answer]
    path = "plans/ADR-002-answer-out-of-memory-of-train-with-halve-micro-batch.md"
    text = repository.read(path)
    assert "When train fails with out_of_memory, run halve_micro_batch, then train again." in text
    assert text.count("### Run ") == 1
    assert "micro-batch 16 → 8" in text
    assert f"[ADR-002](../{path})" in repository.read("agents-docs/learnings.md")
    assert outdated(story.events, repository.root) == []
    assert verify_records(story.events, repository.root).ok
    story.begin("r2")
    story.fail_step("r2", "train", "CUDA: 78 GB", name="out_of_memory", failure_class="resource")
    story.finish_step("r2", "halve_micro_batch", Outcome(summary="micro-batch 8 → 4"))
    story.finish_step("r2", "train", outcome_of_training("r2"))
    write_records(story.events, repository.root)
    assert len(list_adrs(repository.root)) == 2
    assert repository.read(path).count("### Run ") == 2


def test_cost_rate_and_call_of_a_training_are_said_with_their_source(
    story, repository, outcome_of_training
):
    story.begin("r1")
    about = {"training": "key-r1", "call_id": "fc-01"}
    call = {"step": "train", "action": "train", "about": about}
    story.tell("step.noted", "r1", call)
    story.finish_step("r1", "train", outcome_of_training("r1"))
    settled = {"step": "train", "action": "train", "usd": 1.25, "rate": "the price page, seen May"}
    paid = story.tell("money.settled", "r1", settled)
    write_records(story.events, repository.root)
    text = repository.read(ADR)
    assert f"Reported by event {paid.sequence}:\n\n| Measured | Value |\n|---|---|\n" in text
    assert "| cost | 1.25 USD |" in text
    assert "| rate | `the price page, seen May` |" in text
    assert "| call id | `fc-01` |" in text
    assert verify_records(story.events, repository.root).ok


def test_a_training_whose_gate_fails_makes_a_run_record_and_no_adr(story, repository):
    story.train("r1", correlation=0.1, decided=False)
    changed = write_records(story.events, repository.root)
    assert [str(change.path) for change in changed] == ["agents-docs/runs/r1.md"]
    run = repository.read("agents-docs/runs/r1.md")
    assert "| not_noise | neighbour_correlation | 0.1 | &gt;= 0.5 | **failed** | 4 |" in run


def test_a_gate_is_judged_by_its_numbers_and_not_by_what_the_action_says(
    story, repository, outcome_of_training
):
    honest = outcome_of_training("r1", correlation=0.1)
    lied = honest.gates[0].model_copy(update={"passed": True})
    story.begin("r1")
    story.finish_step("r1", "train", honest.model_copy(update={"gates": (lied,)}))
    write_records(story.events, repository.root)
    assert not (repository.root / "plans").exists()
    assert "**failed**" in repository.read("agents-docs/runs/r1.md")


def test_a_failure_that_was_got_past_is_one_learning_however_often_it_is_seen(
    story, repository, outcome_of_training
):
    for run, free in (("r1", "12 MB"), ("r2", "9 MB")):
        story.begin(run)
        story.fail_step(
            run,
            "train",
            f"no space left on /vol/{run}: {free} free",
            name="disk_full",
            failure_class="resource",
        )
        story.finish_step(run, "prune_checkpoints", Outcome(summary="removed 3"), 2.5)
        story.finish_step(run, "train", outcome_of_training(run, decided=False))
    write_records(story.events, repository.root)
    text = repository.read("agents-docs/learnings.md")
    assert text.count("### fix: train failed: disk full (February 2026)") == 1
    assert "**Seen**: 2\n" in text
    assert "1. `prune_checkpoints` ran, 2.5 s (event 6)\n2. `train` ran again" in text


def test_a_failure_nothing_got_past_is_no_learning(story, repository):
    story.train("r1", decided=False)
    story.fail_step("r1", "train", "the loss collapsed", name="loss_collapsed")
    write_records(story.events, repository.root)
    assert not (repository.root / "agents-docs/learnings.md").exists()


def test_a_missing_fact_fails_the_rendering_and_names_event_and_fact(
    story, repository, outcome_of_training
):
    outcome = outcome_of_training("r1")
    provenance = {k: v for k, v in outcome.provenance.items() if k != "dataset_digest"}
    story.begin("r1")
    story.finish_step("r1", "train", outcome.model_copy(update={"provenance": provenance}))
    with pytest.raises(ActionFailed, match=r"event 4\) says no dataset_digest") as caught:
        write_records(story.events, repository.root)
    assert caught.value.name == "fact_missing"
    assert not (repository.root / "plans").exists()


def test_text_outside_regions_survives_and_an_edited_region_is_refused_with_a_diff(
    story, repository
):
    story.train("r1")
    write_records(story.events, repository.root)
    adr = repository.read(ADR)
    noted = adr.replace("## Evidence\n", "My own note: 42 cats.\n\n## Evidence\n\nAnd here.\n")
    repository.write(ADR, noted)
    assert outdated(story.events, repository.root) == []
    edited = noted.replace("0.41803", "0.11803")
    repository.write(ADR, edited)
    story.train("r2")
    (change,) = [c for c in outdated(story.events, repository.root) if str(c.path) == ADR]
    assert change.reason == "a generated part was edited by hand"
    with pytest.raises(ActionFailed) as caught:
        write_records(story.events, repository.root)
    assert caught.value.name == "edited_by_hand"
    assert "-| loss_final | 0.11803" in caught.value.message
    assert "+| loss_final | 0.41803" in caught.value.message
    assert repository.read(ADR) == edited
    write_records(story.events, repository.root, edited="force")
    forced = repository.read(ADR)
    assert "0.41803" in forced
    assert "0.11803" not in forced
    assert "My own note: 42 cats.\n" in forced
    assert "And here.\n" in forced


@pytest.mark.parametrize("damage", ["end", "begin"])
def test_damaged_markers_are_refused_with_their_line_and_no_second_copy(story, repository, damage):
    story.train("r1")
    write_records(story.events, repository.root)
    good = repository.read(ADR)
    line = next(each for each in good.splitlines() if f"goap:{damage} evidence/" in each)
    repository.write(ADR, good.replace(f"{line}\n", ""))
    for edited in ("refuse", "adopt", "force"):
        with pytest.raises(ActionFailed, match=f"{ADR}:[0-9]+: ") as refused:
            write_records(story.events, repository.root, edited=edited)
        assert refused.value.name == "broken_region"
    assert repository.read(ADR) == good.replace(f"{line}\n", "")
    (change,) = outdated(story.events, repository.root)
    assert change.reason == "a marker of a generated part is damaged"


def test_an_adopted_region_is_the_persons_from_then_on_and_says_so(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    repository.write(ADR, repository.read(ADR).replace("0.41803", "about 0.4"))
    write_records(story.events, repository.root, edited="adopt")
    adopted = repository.read(ADR)
    assert "about 0.4" in adopted
    assert "*Edited by a person: what follows is not checked against the ledger.*" in adopted
    assert outdated(story.events, repository.root) == []


def test_two_ledgers_add_to_the_same_adr_and_learning_without_a_fight(
    story, another_story, repository
):
    story.train("r1")
    another_story.train("r9", loss=0.3)
    write_records(story.events, repository.root)
    write_records(another_story.events, repository.root)
    both = repository.files()
    assert len(list((repository.root / "plans").glob("ADR-*.md"))) == 1
    adr = repository.read(ADR)
    assert "0.41803" in adr
    assert "| loss_final | 0.3 |" in adr
    assert "**Seen**: 2\n" in repository.read("agents-docs/learnings.md")
    for told in (story, another_story, story):
        assert write_records(told.events, repository.root) == []
    assert repository.files() == both


def test_another_ledger_that_decides_otherwise_supersedes_on_both_sides(
    story, another_story, repository
):
    story.train("r1")
    write_records(story.events, repository.root)
    another_story.train("r9", decision="Use the average.")
    write_records(another_story.events, repository.root)
    assert "**Status:** Superseded by [ADR-002]" in repository.read(ADR)
    for told in (story, another_story):
        assert outdated(told.events, repository.root) == []


def test_files_with_windows_line_ends_keep_them(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    repository.write(ADR, repository.read(ADR).replace("\n", "\r\n"))
    assert outdated(story.events, repository.root) == []
    story.train("r2")
    write_records(story.events, repository.root)
    text = repository.read(ADR)
    assert text.count("\n") == text.count("\r\n")


def test_an_index_that_a_person_wrote_is_left_alone(story, repository):
    repository.write("plans/INDEX.md", "# My index\n")
    story.train("r1")
    write_records(story.events, repository.root)
    assert repository.read("plans/INDEX.md") == "# My index\n"


def test_records_of_people_are_left_alone_and_their_numbers_are_not_given_again(story, repository):
    repository.write("plans/ADR-041-authentication.md", "# ADR-041: Auth\n\n## Status\nAccepted\n")
    repository.write("agents-docs/learnings.md", "# Ours\n\n## Key Learnings\n\n### feat: older\n")
    before = repository.read("plans/ADR-041-authentication.md")
    story.train("r1")
    write_records(story.events, repository.root)
    assert repository.read("plans/ADR-041-authentication.md") == before
    assert (repository.root / ADR.replace("001", "042")).exists()
    learnings = repository.read("agents-docs/learnings.md")
    assert learnings.startswith("# Ours\n\n## Key Learnings\n\n<!-- goap:begin learning/")
    assert learnings.endswith("\n\n### feat: older\n")


@pytest.mark.parametrize("run", ["../../escape", "a b", "x/y", "ünïcode"])
def test_whatever_a_run_is_called_its_record_stays_in_its_folder(story, tmp_path, run):
    story.train(run)
    root = tmp_path / "plain"
    for change in write_records(story.events, root):
        assert (root / change.path).resolve().is_relative_to(root.resolve())
        assert Path(change.path).parts[0] in ("plans", "agents-docs")
    assert write_records(story.events, root) == []


def test_a_value_that_is_not_a_number_is_said_in_words_and_fails_its_gate(
    story, repository, outcome_of_training
):
    outcome = outcome_of_training("r1")
    lost = outcome.measurements[1].model_copy(update={"value": float("nan")})
    gate = outcome.gates[0].model_copy(update={"value": float("nan"), "passed": True})
    story.begin("r1")
    broken = outcome.model_copy(update={"measurements": (lost,), "gates": (gate,)})
    story.finish_step("r1", "train", broken)
    write_records(story.events, repository.root)
    run = repository.read("agents-docs/runs/r1.md")
    assert "| loss_final | not a number |" in run
    assert "| not a number | &gt;= 0.5 | **failed** |" in run
    assert outdated(story.events, repository.root) == []


def test_a_number_in_prose_that_nothing_measured_backs_is_pointed_out(story, repository):
    story.train("r1", decision="Train 2000 steps because 400000 is too many and 64 px is enough.")
    write_records(story.events, repository.root)
    adr = repository.read(ADR)
    assert "Numbers in this text that no measurement of run `r1` backs: 400000, 64." in adr


def test_a_record_that_was_deleted_is_written_again_with_its_number(story, repository):
    story.train("r1")
    write_records(story.events, repository.root, commit=True)
    before = repository.files()
    (repository.root / ADR).unlink()
    assert [str(each.path) for each in outdated(story.events, repository.root)] == [ADR]
    write_records(story.events, repository.root)
    assert repository.files() == before
