"""The best of any number of candidates of a declared training."""

import json

GOAL = "goal=best_counter"


def test_each_candidate_is_a_step_of_its_own_and_the_best_one_is_kept(desk):
    plan = desk.goap("plan", GOAL, "sweep=lr=0.02,0.005,0.01 steps=10,12", "--json").data
    actions = [step["action"] for step in plan["steps"]]
    assert len([name for name in actions if name.startswith("train_counter_")]) == 6
    assert "choose_best_counter" in actions
    done = desk.run(GOAL, "sweep=lr=0.02,0.005,0.01 steps=10,12")
    assert done.data["status"] == "done"
    assert len(desk.trainings()) == 6
    (ranking,) = (desk.volume / "sweeps").iterdir()
    best = json.loads(ranking.read_text())["best"]
    verdict = json.loads((desk.volume / "trainings" / best / "verdict.json").read_text())
    assert verdict["numbers"]["val_loss"] == 0.05
    (adr,) = (desk.folder / "plans").glob("ADR-*.md")
    assert best in adr.read_text("utf-8")


def test_the_words_of_a_sweep_in_another_order_ask_for_the_same(desk):
    desk.run(GOAL, "sweep=lr=0.02,0.005", "steps=6")
    assert desk.run(GOAL, "steps=6", "sweep=lr=5e-3,2e-2").data["status"] == "nothing to do"
    more = desk.goap("plan", GOAL, "steps=6", "sweep=lr=0.005,0.02,0.03", "--json").data
    trained = [s["action"] for s in more["steps"] if s["action"].startswith("train_")]
    assert trained == ["train_counter_lr_0_03"]  # the others are known


def test_a_candidate_that_cannot_learn_is_out_and_the_others_are_compared(desk):
    desk.change("trouble.py", "return loss", "return loss if lr < 1 else 1e999")
    done = desk.run(GOAL, "sweep=lr=0.02,1.5", "steps=6")
    assert done.data["status"] == "done"
    (ranking,) = (desk.volume / "sweeps").iterdir()
    assert "out: loss_not_finite" in ranking.read_text()


def test_twelve_candidates_are_planned_and_what_is_wrong_with_a_sweep_is_said(desk):
    words = "sweep=lr=" + ",".join(f"0.0{number}" for number in range(11, 23))
    plan = desk.goap("plan", GOAL, words, "--json").data
    assert len([s for s in plan["steps"] if s["action"].startswith("train_")]) == 12
    for sweep in ("lr=0.1", "lr=0.1,0.1", "light=1,2", "lr=a,b", "lr"):
        answer = desk.goap("plan", GOAL, f"sweep={sweep}", "--json")
        assert answer.code == 2
        assert "sweep=" in answer.error["message"]


def test_without_words_half_of_the_usual_rate_is_tried_too(desk):
    answer = desk.goap("explain", "best_counter")
    assert answer.code == 0, answer.err
    assert desk.goap("actions").code == 0
    plan = desk.goap("plan", GOAL, "--json").data
    trained = {s["action"] for s in plan["steps"] if s["action"].startswith("train_")}
    assert trained == {"train_counter_lr_0_01", "train_counter_lr_0_005"}
