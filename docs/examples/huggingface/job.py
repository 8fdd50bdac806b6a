"""A model of Hugging Face, by its own Trainer."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = Field(60, ge=1, description="optimizer steps")
    lr: float = Field(1e-2, gt=0, description="learning rate")


gpt2 = Training(
    "gpt2",
    settings=Settings,
    command="python train.py --steps {steps} --lr {lr}",
    source=["train.py"],
    requirements=["accelerate==1.15.0", "torch==2.13.0", "transformers==5.24.0"],
    gpu="L4",
    smoke={"steps": 2},
    checkpoints="checkpoint-*",
    complete="trainer_state.json",  # the Trainer writes it last
    gates=[Gate("val_loss", "<=", 1.0)],
    keep=Keep(last=2),
)
CATALOGUE = toolkit(gpt2)
