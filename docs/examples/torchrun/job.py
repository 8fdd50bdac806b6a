"""Two processes that train together."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Training


class Settings(BaseModel):
    steps: int = Field(60, ge=1, description="optimizer steps")


pair = Training(
    "pair",
    settings=Settings,
    command="torchrun --standalone --nproc-per-node 2 train.py --steps {steps}",
    source=["train.py"],
    requirements=["torch==2.13.0"],
    gpu="A10G:2",
    gates=[Gate("val_loss", "<=", 0.1)],
)
CATALOGUE = toolkit(pair)
