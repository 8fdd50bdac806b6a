"""What somebody works on now, in fields: for programs, beside the words that a person reads."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Work"]


class Work(BaseModel):
    """Work that goes on, wherever that is."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    what: str = Field(description="what is worked on, by the name it has there")
    state: str = Field(description="what becomes of it now, such as queued or running")
    since: str | None = Field(None, description="RFC 3339, in UTC; null where nobody knows")
    waits_for: str = Field("", description="what it is queued for")
    starts: int = Field(0, description="how often it was started since its last sign of life")
    step: int | None = Field(None, description="how far it is")
