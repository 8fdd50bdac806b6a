"""The goal: records that match the ledger."""

from agents.declare.actions import Goal
from agents.declare.triggers import on
from goals.placed import DocumentParameters
from goals.world import F

__all__ = ["documented"]

documented = Goal(
    "documented",
    "ADRs, learnings and run records say what the ledger measured, and nothing else",
    lambda _: F.documented,
    DocumentParameters,
    triggers=(on("run.finished", where={"status": "done"}),),
)
