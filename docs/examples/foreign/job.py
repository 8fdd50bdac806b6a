"""A script that knows nothing of goap: the declaration says where its things are."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Metrics, Results, Training


class Settings(BaseModel):
    max_steps: int = Field(200, ge=1, description="optimizer steps")
    learning_rate: float = Field(0.05, gt=0)


fit = Training(
    "fit",
    settings=Settings,
    command=[
        *("python", "fit.py", "--output-dir", "{run_dir}", "--resume-from-checkpoint", "{resume}"),
        *("--max-steps", "{max_steps}", "--learning-rate", "{learning_rate}"),
    ],
    source=["fit.py"],
    target="max_steps",
    smoke={"max_steps": 60},
    checkpoints="checkpoint-*",
    complete="trainer_state.json",
    metrics=Metrics(log=r"step (?P<step>\d+): loss=(?P<loss>\S+)"),
    result=Results("all_results.json", {"val_loss": "eval_loss", "step": "train_steps"}),
    gates=[Gate("val_loss", "<=", 0.1)],
)
CATALOGUE = toolkit(fit)
