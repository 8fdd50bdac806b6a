"""Pretrain, fine-tune from its best, evaluate, promote: one goal, each link named by digest."""

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
class Shelf(BaseModel):
    channel: str = Field("beta", description="who gets it")


promote = Training(
    "promote",
    settings=Shelf,
    command="python promote.py {channel}",
    source=["promote.py"],
    init=second,
    data=exam,
    target=None,
    gates=[Gate("promoted", ">=", 1)],
    goal="promoted",
)
CATALOGUE = toolkit(promote)
"""

JUDGE = '''
"""Gives a score to a model; makes no checkpoint."""

import json
import os
from pathlib import Path

state = json.loads((Path(os.environ["GOAP_INIT"]) / "state.json").read_text())["state"]
result = {"score": 1.0, "state": state}
folder = Path(os.environ["GOAP_RUN_DIR"])
(folder / "output").mkdir()
(folder / "output" / "scores.txt").write_text(str(state))
(folder / "result.json").write_text(json.dumps(result))
'''

PROMOTE = '''
"""Puts a model where people find it, with what it was judged by beside it."""

import json
import os
import shutil
import sys
from pathlib import Path

folder, judged = Path(os.environ["GOAP_RUN_DIR"]), Path(os.environ["GOAP_DATA_DIR"])
shelf = folder / "output" / sys.argv[1]
shutil.copytree(os.environ["GOAP_INIT"], shelf / "model")
shutil.copy(judged / "scores.txt", shelf)
state = json.loads((shelf / "model" / "state.json").read_text())["state"]
same = int((shelf / "scores.txt").read_text()) == state
(folder / "result.json").write_text(json.dumps({"promoted": int(same), "state": state}))
'''


@pytest.fixture
def chain(desk):
    desk.write("job.py", CHAIN)
    desk.write("judge.py", JUDGE)
    desk.write("promote.py", PROMOTE)
    return desk


def trained(desk):
    """The names of what was trained, in order."""
    return [name.removeprefix("train_") for name in desk.started() if name.startswith("train_")]


def of(desk, name):
    """The newest verdict of a training."""
    verdicts = [json.loads((each / "verdict.json").read_text()) for each in desk.trainings()]
    return max((each for each in verdicts if each["name"] == name), key=lambda each: each["ended"])


def test_one_goal_trains_what_it_is_made_of_first_and_hands_the_best_checkpoint_on(chain):
    plan = chain.goap("plan", "goal=promoted", "--json").data
    order = [step["action"] for step in plan["steps"] if step["action"].startswith("train_")]
    assert order == ["train_first", "train_second", "train_exam", "train_promote"]
    chain.run("goal=promoted")
    assert trained(chain) == ["first", "second", "exam", "promote"]
    assert of(chain, "exam")["checkpoint"] is None
    # what is promoted is what was judged
    assert of(chain, "promote")["numbers"]["state"] == of(chain, "second")["numbers"]["state"]
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
    assert chain.run("goal=promoted").data["status"] == "nothing to do"


def test_a_setting_of_the_first_makes_all_that_follows_anew_and_one_of_the_last_nothing_else(chain):
    chain.run("goal=promoted")
    chain.run("goal=promoted", "channel=stable")
    assert trained(chain) == ["first", "second", "exam", "promote", "promote"]
    chain.run("goal=promoted", "second_lr=0.02")
    assert trained(chain)[5:] == ["second", "exam", "promote"]
    chain.run("goal=promoted", "first_steps=12")
    assert trained(chain)[8:] == ["first", "second", "exam", "promote"]
    assert chain.run("goal=promoted").data["status"] == "nothing to do"


@pytest.mark.slow
def test_what_fails_its_examination_is_not_promoted(chain):
    chain.change("judge.py", '"score": 1.0', '"score": 0.4')
    chain.run("goal=promoted", code=1)
    assert "promote" not in trained(chain)


def test_a_link_in_the_middle_is_a_goal_of_its_own(chain):
    chain.run("goal=second_trained")
    assert trained(chain) == ["first", "second"]
    chain.run("goal=examined")
    assert trained(chain) == ["first", "second", "exam"]


def test_what_one_training_writes_is_the_data_of_another(chain):
    chain.change(
        "job.py",
        "CATALOGUE = toolkit(promote)",
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
