"""What the actions of a training remember between runs: notes in the ledger, typed."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.ledger.events import Event, of_kind
from agents.ledger.payloads import StepNoted

__all__ = ["TrainingNote", "notes_of"]


class TrainingNote(BaseModel):
    """One thing worth remembering of a training.

    Attributes:
        training: Its key.
        launch: How far launching it is.
        owner: Who runs it.
        call_id: The platform's name of the call.
        log_at: So many bytes of its log are in the ledger.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    training: str
    launch: Literal["intended", "launched", "attached"] | None = None
    owner: str = ""
    call_id: str = ""
    log_at: int | None = None

    def about(self) -> dict[str, Any]:
        """The note as the ledger keeps it: what it does not say is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)


def notes_of(events: Iterable[Event], training: str) -> Iterator[TrainingNote]:
    """The notes of one training, in the order of the events."""
    for _, noted in of_kind(events, StepNoted):
        if noted.about.get("training") != training:
            continue
        try:
            yield TrainingNote.model_validate(noted.about)
        except ValidationError:
            continue  # what another action remembers of this training
