"""Pretrain, fine-tune from its best, evaluate: one goal, each link named by digest."""

import json

import pytest

CHAIN = """
from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = Field(10, ge=1, description="steps")
    lr: float = Field(0.01, gt=0, description="learning rate")


class Marks(BaseModel):
    harsh: bool = Field(False, description="whether it is strict")


first = Training(
    "first",
    settings=Settings,
    command="python train.py",
    source=["train.py", "trouble.py"],
    keep=Keep(last=2, best="loss", best_of="highest"),
)
second = Training(
    "second",
    settings=Settings,
    command="python train.py",
    source=["train.py", "trouble.py"],
    init=first,
    gates=[Gate("val_loss", "<=", 1.0)],
)
exam = Training(
    "exam",
    settings=Marks,
    command="python judge.py --harsh {harsh}",
    source=["judge.py"],
    init=second,
    target=None,
    gates=[Gate("score", ">=", 0.5)],
    goal="examined",
)
CATALOGUE = toolkit(exam)
"""

JUDGE = '''
"""Gives a score to a model; makes no checkpoint."""

import json
import os
from pathlib import Path

state = json.loads((Path(os.environ["GOAP_INIT"]) / "state.json").read_text())["state"]
result = {"score": 1.0, "state": state}
Path(os.environ["GOAP_RUN_DIR"], "result.json").write_text(json.dumps(result))
'''


@pytest.fixture
def chain(desk):
    desk.write("job.py", CHAIN)
    desk.write("judge.py", JUDGE)
    return desk


def trained(desk):
    """The names of what was trained, in order."""
    return [name.removeprefix("train_") for name in desk.started() if name.startswith("train_")]


def of(desk, name):
    """The newest verdict of a training."""
    verdicts = [json.loads((each / "verdict.json").read_text()) for each in desk.trainings()]
    return max((each for each in verdicts if each["name"] == name), key=lambda each: each["ended"])


def test_one_goal_trains_what_it_is_made_of_first_and_hands_the_best_checkpoint_on(chain):
    plan = chain.goap("plan", "goal=examined", "--json").data
    order = [step["action"] for step in plan["steps"] if step["action"].startswith("train_")]
    assert order == ["train_first", "train_second", "train_exam"]
    chain.run("goal=examined")
    assert trained(chain) == ["first", "second", "exam"]
    assert of(chain, "exam")["checkpoint"] is None
    # the best by the highest loss is the earliest that was kept
    (pretrained,) = (
        each
        for each in chain.trainings()
        if (each / "verdict.json").exists()
        and json.loads((each / "verdict.json").read_text())["name"] == "first"
    )
    orders = [json.loads((each / "spec.json").read_text()) for each in chain.trainings()]
    (tuned,) = (each for each in orders if each["name"] == "second")
    assert tuned["init"]["training"] == pretrained.name
    assert tuned["init"]["checkpoint"].endswith("checkpoints/step-00000005")
    assert chain.run("goal=examined").data["status"] == "nothing to do"


def test_a_setting_of_the_first_makes_all_that_follows_anew_and_one_of_the_last_nothing_else(chain):
    chain.run("goal=examined")
    chain.run("goal=examined", "harsh=true")
    assert trained(chain) == ["first", "second", "exam", "exam"]
    chain.run("goal=examined", "second_lr=0.02")
    assert trained(chain)[4:] == ["second", "exam"]
    chain.run("goal=examined", "first_steps=12")
    assert trained(chain)[6:] == ["first", "second", "exam"]
    assert chain.run("goal=examined").data["status"] == "nothing to do"


def test_a_link_in_the_middle_is_a_goal_of_its_own(chain):
    chain.run("goal=second_trained")
    assert trained(chain) == ["first", "second"]
    chain.run("goal=examined")
    assert trained(chain) == ["first", "second", "exam"]


def test_what_one_training_writes_is_the_data_of_another(chain):
    chain.change(
        "judge.py",
        "result = ",
        "out = Path(os.environ['GOAP_RUN_DIR'], 'output')\n"
        "out.mkdir()\n(out / 'scores.txt').write_text(str(state))\nresult = ",
    )
    chain.change(
        "job.py",
        "CATALOGUE = toolkit(exam)",
        """
report = Training("report", command="python report.py", source=["report.py"], data=exam,
                  gates=[Gate("read", ">=", 1)])
CATALOGUE = toolkit(report)
""",
    )
    chain.write(
        "report.py",
        """
import json, os
from pathlib import Path
read = int(Path(os.environ["GOAP_DATA_DIR"], "scores.txt").read_text())
Path(os.environ["GOAP_RUN_DIR"], "result.json").write_text(json.dumps({"read": read}))
""",
    )
    chain.run("goal=report_trained")
    assert of(chain, "report")["numbers"]["read"] == of(chain, "second")["numbers"]["state"]
    assert chain.run("goal=report_trained").data["status"] == "nothing to do"


def test_a_smoke_training_of_a_link_begins_with_the_real_checkpoint(chain):
    chain.change("job.py", "init=first,", 'init=first,\n    smoke={"steps": 1},')
    chain.run("goal=second_trained")
    started = chain.started()
    assert started.index("train_first") < started.index("build_second_image")
