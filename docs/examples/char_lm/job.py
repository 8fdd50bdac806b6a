"""A language model of single characters."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = Field(300, ge=1, description="optimizer steps")
    lr: float = Field(3e-3, gt=0, description="learning rate")
    width: int = Field(64, ge=8, description="numbers that stand for a character")


char_lm = Training(
    "char_lm",
    settings=Settings,
    command="python train_lm.py --steps {steps} --lr {lr} --width {width}",
    source=["train_lm.py", "input.txt"],
    requirements=["torch==2.13.0"],
    gpu="A10G",
    smoke={"steps": 2},
    gates=[Gate("val_loss", "<=", 2.6)],
    keep=Keep(last=3),
)
CATALOGUE = toolkit(char_lm)
