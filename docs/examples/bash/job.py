"""A script without Python."""

from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Training


class Settings(BaseModel):
    steps: int = Field(200, ge=1, description="rounds of a hundred darts")


darts = Training(
    "darts",
    settings=Settings,
    command="bash train.sh {steps}",
    source=["train.sh"],
    smoke={"steps": 2},
    gates=[Gate("error_permille", "<=", 50)],
)
CATALOGUE = toolkit(darts)
