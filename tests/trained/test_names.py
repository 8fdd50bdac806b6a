"""Names that meet are refused when the job is imported, with both who have them."""

import pytest


def error_of(desk):
    answer = desk.goap("goals", "--json")
    assert answer.code == 2, answer.out
    return answer.error["message"]


def test_two_trainings_of_one_name_are_named_with_their_lines(desk):
    desk.change(
        "job.py",
        "CATALOGUE = toolkit(counter)",
        """
other = Training("counter", command="python train.py", source=["train.py"])
CATALOGUE = toolkit(counter, other)
""",
    )
    message = error_of(desk)
    assert "two trainings are called 'counter'" in message
    assert message.count("job.py:") >= 2


def test_a_fact_of_ones_own_that_is_called_like_that_of_a_training_is_named(desk):
    desk.change(
        "job.py",
        "CATALOGUE = toolkit(counter)",
        """
class Mine(BaseModel):
    counter_trained: bool = Field(description="mine")


CATALOGUE = toolkit(counter, world=Mine)
""",
    )
    message = error_of(desk)
    assert "two facts are called 'counter_trained'" in message
    assert "world=Mine" in message
    assert "training counter" in message


@pytest.mark.parametrize("setting", ["compute", "volume", "goal", "max_cost", "gpu"])
def test_a_setting_that_is_called_like_what_every_goal_takes_is_named(desk, setting):
    desk.change("job.py", "lr: float", f"{setting}: int = Field(1)\n    lr: float")
    message = error_of(desk)
    assert setting in message
    assert "counter" in message
    assert "job.py:" in message


def test_a_setting_that_is_called_like_one_of_a_training_before_is_named(desk):
    desk.change(
        "job.py",
        "CATALOGUE = toolkit(counter)",
        """
class More(Settings):
    counter_lr: float = 1.0


tuned = Training("tuned", settings=More, command="python train.py", source=["train.py"],
                 init=counter)
CATALOGUE = toolkit(tuned)
""",
    )
    message = error_of(desk)
    assert "counter_lr of tuned" in message
    assert "lr of counter" in message


def test_two_goals_of_one_name_are_named(desk):
    desk.change(
        "job.py",
        "CATALOGUE = toolkit(counter)",
        """
other = Training("other", command="python train.py", source=["train.py"], goal="counter_trained")
CATALOGUE = toolkit(counter, other)
""",
    )
    assert "two goals are called 'counter_trained'" in error_of(desk)


def test_sensors_actions_and_a_goal_of_ones_own_stand_beside_a_training(desk):
    desk.change(
        "job.py",
        "CATALOGUE = toolkit(counter)",
        '''
from pathlib import Path

from actions import facts_of, parameters_of
from agents import Goal, Outcome, Reading, action, facts, sensor


class Mine(BaseModel):
    announced: bool = Field(description="somebody was told")


F = facts(Mine)


@sensor(F.announced)
def announced(context):
    return Reading(Path("told.txt").exists(), "told.txt")


@action(needs=facts_of(counter).counter_trained, effect=F.announced)
def announce(context) -> Outcome:
    """Tell somebody."""
    Path("told.txt").write_text("it is done")
    return Outcome(summary="told")


CATALOGUE = toolkit(
    counter,
    world=Mine,
    sensors=[announced],
    actions=[announce],
    goals=[Goal("known", "Trained, and told", lambda _: F.announced, parameters_of(counter))],
)
''',
    )
    desk.run("goal=known", "steps=5")
    assert desk.started() == ["build_counter_image", "train_counter", "announce"]
    assert (desk.folder / "told.txt").exists()


def test_what_is_wrong_in_a_declaration_is_said_once_with_its_line_and_the_way_out(desk):
    desk.change("job.py", 'source=["train.py", "trouble.py"]', 'source=["trian.py"]')
    answer = desk.goap("goals", "--json")
    assert answer.code == 2
    message = answer.error["message"]
    assert message.startswith("job.py:16: ")
    assert message.count("job.py:") == 1
    assert "Error" not in message
    assert "did you mean 'train.py'" in message
    assert answer.error["fix"]
