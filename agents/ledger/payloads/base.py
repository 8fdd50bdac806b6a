"""What all payloads are, and what others say."""

from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Foreign", "Frozen", "Payload", "Value"]

Value: TypeAlias = bool | int | float | str | None
"""A fact's value in JSON; null is unknown."""


class Frozen(BaseModel):
    """What is said once and never changed."""

    # a field that a later version added without another shape is passed over, not refused
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


class Payload(Frozen):
    """What an event of one type says."""

    kind: ClassVar[str] = ""

    @property
    def type(self) -> str:
        """The type of the events that say this."""
        return self.kind

    def to_json(self) -> dict[str, Any]:
        """The payload as JSON values, as the ledger keeps it."""
        return self.model_dump(mode="json", by_alias=True)


class Foreign(Payload):
    """What others say: an event of a type that is not ours, or that does not fit our type."""

    of_type: str
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def type(self) -> str:
        """The type its author gave it."""
        return self.of_type

    def to_json(self) -> dict[str, Any]:
        """The mapping itself."""
        return dict(self.data)
