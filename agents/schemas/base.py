"""What every shape of ``--json`` is."""

from pydantic import BaseModel, ConfigDict

__all__ = ["AtLeast", "Exact"]


class Exact(BaseModel):
    """What holds these fields and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class AtLeast(BaseModel):
    """What holds these fields at least."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)
