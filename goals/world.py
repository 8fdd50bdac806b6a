"""The world: every fact this project can say something about, declared once."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.declare.facts import facts

__all__ = ["MOST_CANDIDATES", "F", "World", "candidate_fact"]

MOST_CANDIDATES = 8
"""How many configurations one sweep compares at most."""


def candidate_fact(number: int) -> str:
    """The name of the fact that a configuration of a sweep was judged; `number` is from 1."""
    return f"candidate_{number}_judged"


class _World(BaseModel):
    """The facts; sensors read them, actions change them, goals want them."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    auth_valid: bool = Field(description="the compute accepts our credentials")
    image_built: bool = Field(
        description="the training image holds every module and two training steps ran in it"
    )
    dataset_ready: bool = Field(description="the photos are a checksummed shard on the volume")
    free_mb: float = Field(description="free space where training writes, in MB")
    fits_memory: bool = Field(description="no attempt since the last change ran out of memory")
    loss_finite: bool = Field(description="no attempt since the last change diverged")
    objective_sound: bool = Field(description="the loss of this training did not collapse to zero")
    dit_trained: bool = Field(description="the TinyDiT reached its steps and passed its gates")
    classifier_trained: bool = Field(
        description="the breed classifier reached its steps and passed its gates"
    )
    volume_committed: bool = Field(
        description="what the training produced is durable, hashes verified by reading again"
    )
    checkpoints_pruned: bool = Field(description="no more checkpoints than the retention policy")
    best_chosen: bool = Field(
        description="the best configuration of the sweep passed its gates and is durable"
    )
    documented: bool = Field(description="ADRs, learnings and run records match the ledger")


_candidates: dict[str, Any] = {
    candidate_fact(number): (
        bool,
        Field(description=f"configuration {number} of the sweep ended and has a validation loss"),
    )
    for number in range(1, MOST_CANDIDATES + 1)
}
World = create_model("World", __base__=_World, **_candidates)

F = facts(World)
