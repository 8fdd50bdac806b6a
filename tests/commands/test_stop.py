"""``goap stop``: a training is asked to save and end, whoever started it."""

import json

KEY = "a1" * 8


def test_a_running_training_is_asked_to_save_and_end(desk):
    training = desk.trains()
    desk.run("20260101-aaaa", KEY, ended=False)
    assert desk.goap("stop").out == f"{KEY} was asked to save and end\n"
    assert training.wait() == 0
    assert desk.directory().log_path.read_text("utf-8") == "step 1\nsaved\n"


def test_one_that_does_not_run_ends_with_exit_code_1(desk):
    desk.log("done\n")
    printed = desk.goap("stop", KEY, "--json", code=1)
    assert json.loads(printed.out)["data"] == {"training": KEY, "asked": False}
    assert desk.goap("stop", KEY, code=1).out == f"{KEY} is not running\n"


def test_the_others_of_its_run_are_named(desk):
    desk.log("x\n")
    desk.run("20260101-aaaa", "b2" * 8, KEY)
    assert f"the run has others: {'b2' * 8}" in desk.goap("stop", code=1).err
