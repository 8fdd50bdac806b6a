"""A model of Lightning."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Training


class Settings(BaseModel):
    steps: int = Field(80, ge=1, description="optimizer steps")
    lr: float = Field(0.1, gt=0, description="learning rate")


line = Training(
    "line",
    settings=Settings,
    command="python train.py --steps {steps} --lr {lr}",
    source=["train.py"],
    requirements=["lightning==2.6.6", "torch==2.13.0"],
    gpu="T4",
    smoke={"steps": 2},
    gates=[Gate("val_loss", "<=", 0.1)],
)
CATALOGUE = toolkit(line)
