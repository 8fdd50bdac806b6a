"""The parameters of every goal: where its records are written, where it runs and writes.

A job of a user imports this and nothing of what our own models are trained with.
"""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, JsonValue, ValidationInfo, field_validator

from agents.declare.parameters import Parameters, absolute, how, what
from training.errors import ConfigError
from training.track.names import require

__all__ = ["DocumentParameters", "PlacedParameters", "default_volume"]

_MODAL_VOLUME = "goap-training"


def default_volume(compute: str, state: Path) -> str:
    """Where a training writes when nobody says where: a directory here, or a Modal Volume."""
    return str(state / "volume") if compute == "local" else _MODAL_VOLUME


class DocumentParameters(Parameters):
    """Where records are written and whether they are committed."""

    model_config = ConfigDict(defer_build=True)  # a command uses those of one goal

    repo: Path = what(Path(), description="repository that receives ADRs and learnings")
    commit: bool = what(False, description="commit the records; otherwise leave them uncommitted")

    @property
    def repository(self) -> Path:
        """Where the records are written is also where the code that ran comes from."""
        return self.repo


class PlacedParameters(DocumentParameters):
    """Where something runs, and where it writes."""

    compute: Literal["local", "modal", "loopback"] = what(
        "local",
        headline=True,
        description="where training runs; loopback rehearses modal on this machine, for free",
    )
    volume: str | None = what(
        None, description="directory (local) or Modal Volume name; default <state>/volume"
    )

    track: Literal["tensorboard", "mlflow"] | None = how(
        None, description="show metrics and samples in this tracker as well (compute=local)"
    )

    @field_validator("volume")
    @classmethod
    def _is_somewhere(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("name a directory or a Modal Volume, or leave volume= out")
        return value

    @field_validator("track")
    @classmethod
    def _is_installed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if info.data.get("compute") != "local":
            raise ValueError("leave track= out: a container holds no tracker, only metrics.jsonl")
        try:
            require(value)
        except ConfigError as error:
            raise ValueError(f"{error.message}; {error.fix}") from error
        return value

    def place(self, state: Path) -> str:
        """The volume: a directory, or the name of a Modal Volume."""
        return self.volume or default_volume(self.compute, state)

    def find_data(self) -> None:
        """See that what is read on this machine is there; nothing is, unless a goal says so.

        Raises:
            UsageError: It is not where a parameter says.
        """

    def canonical(self, state: Path) -> dict[str, JsonValue]:
        """The volume as the one it is, whether or not it was said."""
        place = self.place(state)
        where = absolute(place) if self.compute == "local" else place
        return {**super().canonical(state), "volume": where}
