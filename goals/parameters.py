"""The parameters a user may set as ``key=value`` on the command line."""

from pathlib import Path
from typing import Any, Literal, Self, TypeVar, overload

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from agents.declare.facts import nearest
from training.errors import ConfigError
from training.learn.config import Execution, TrainingConfig, resolve
from training.learn.presets import PRESETS
from training.track.tracking import require

__all__ = ["DocumentParameters", "TrainingParameters", "default_volume", "training_parameters"]

_FIXED = ("model", "preset")
_MODAL_VOLUME = "goap-training"


def default_volume(compute: str, state: Path) -> str:
    """Where a training writes when nobody says where: a directory here, or a Modal Volume."""
    return str(state / "volume") if compute == "local" else _MODAL_VOLUME


class DocumentParameters(BaseModel):
    """Where records are written and whether they are committed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: Path = Field(Path(), description="repository that receives ADRs and learnings")
    commit: bool = Field(False, description="commit the records; otherwise leave them uncommitted")


class TrainingParameters(DocumentParameters):
    """What to train, on which photos, where."""

    model: str = ""
    compute: Literal["local", "modal", "loopback"] = Field(
        "local",
        description="where training runs; loopback rehearses modal on this machine, for free",
    )
    volume: str | None = Field(
        None, description="directory (local) or Modal Volume name; default <state>/volume"
    )
    dataset: str = Field(
        "synthetic", description="synthetic, pets, or a folder of photos (breed per folder)"
    )
    preset: str = Field("tiny", description="named settings that the ones below override")
    micro_batch: int | None = Field(None, ge=1, description="images per forward pass")
    threads: int | None = Field(None, ge=1, description="processor threads of the training")
    track: Literal["tensorboard", "mlflow"] | None = Field(
        None, description="show metrics and samples in this tracker as well (compute=local)"
    )
    slice_seconds: float | None = Field(
        None,
        gt=0,
        description="the longest a call or process trains before it saves and ends; the run goes "
        "on with the next one. On Modal never more than 23 h 50 min",
    )

    @field_validator("dataset")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a folder, or leave dataset= out for synthetic cats")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        known = PRESETS.get(self.model, {self.preset: {}})
        if self.preset not in known:
            raise ValueError(
                f"there is no preset {self.preset!r} of {self.model}{nearest(self.preset, known)}; "
                f"there are {', '.join(known)}"
            )
        try:
            self.config()
        except ConfigError as error:
            raise ValueError(error.message) from error
        return self

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

    def config(self) -> TrainingConfig:
        """The resolved configuration of the training."""
        names = set(TrainingConfig.model_fields) - set(_FIXED)
        given = {name: getattr(self, name, None) for name in sorted(names)}
        overrides = {name: value for name, value in given.items() if value is not None}
        return resolve(self.model, self.preset, overrides)

    def execution(self) -> Execution:
        """How an attempt runs on this machine, before any recovery changed it."""
        return Execution(
            micro_batch=self.micro_batch,
            threads=self.threads,
            track=self.track,
            deadline_seconds=self.slice_seconds,
        )


Parameters = TypeVar("Parameters", bound=TrainingParameters)


@overload
def training_parameters(model: str) -> type[TrainingParameters]: ...


@overload
def training_parameters(model: str, base: type[Parameters]) -> type[Parameters]: ...


def training_parameters(
    model: str, base: type[TrainingParameters] = TrainingParameters
) -> type[TrainingParameters]:
    """The parameters of a goal that trains ``model``: every setting of its configuration too."""
    settings: dict[str, Any] = {
        name: (str | None, Field(None, description=field.description))
        for name, field in TrainingConfig.model_fields.items()
        if name not in _FIXED
    }
    fixed: dict[str, Any] = {
        "model": (Literal[model], Field(model, description="fixed by the goal", frozen=True))
    }
    return create_model(f"{model.title()}Parameters", __base__=base, **settings, **fixed)
