"""The parameters of the goals that train our models: ``key=value`` words, or JSON."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_origin, overload

from pydantic import (
    BeforeValidator,
    ConfigDict,
    JsonValue,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from agents.declare.parameters import absolute, canonical_value, how, what
from agents.errors import UsageError, nearest
from goals.durations import Seconds
from goals.placed import PlacedParameters
from training.compute.gpu import USUAL_GPU, gpu_names
from training.data.origin import origin_of
from training.errors import ConfigError
from training.learn.config import Execution, TrainingConfig, resolve
from training.learn.presets import PRESETS

__all__ = [
    "TrainingParameters",
    "training_parameters",
]

_FIXED = ("model", "preset")
_SETTINGS = frozenset(TrainingConfig.model_fields) - set(_FIXED)


class TrainingParameters(PlacedParameters):
    """What to train, on which photos, where."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str = what("")
    dataset: str = what(
        "synthetic",
        headline=True,
        description="synthetic, pets, or a folder of photos (breed per folder)",
    )
    preset: str = what(
        "tiny", headline=True, description="named settings that the ones below override"
    )
    micro_batch: int | None = how(None, ge=1, description="images per forward pass")
    threads: int | None = how(None, ge=1, description="processor threads of the training")
    gpu: str = how(USUAL_GPU, description="what it runs on where there is a choice, such as H100")
    slice_seconds: float | None = how(
        None,
        gt=0,
        description="the longest a call or process trains before it saves and ends; the run goes "
        "on with the next one. On Modal never more than 23 h 50 min",
    )
    queue_timeout: Seconds | None = how(
        None,
        gt=0,
        description="how long a call on Modal waits for a GPU at most before it is cancelled, such "
        "as 20m or 1h; it costs nothing until then",
    )

    @field_validator("dataset")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a folder, or leave dataset= out for synthetic cats")
        return value

    @field_validator("gpu")
    @classmethod
    def _is_a_gpu(cls, value: str) -> str:
        (name,) = gpu_names([value])
        return name

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        try:
            self.config()
        except ConfigError as error:
            raise ValueError(error.message) from error
        return self

    def config(self) -> TrainingConfig:
        """The resolved configuration of the training."""
        return self._config

    @cached_property
    def _config(self) -> TrainingConfig:
        return resolve(self.model, self.preset, self._overrides())

    def _overrides(self) -> dict[str, Any]:
        """The settings that were given, beside the preset."""
        return {name: each for name, each in self if name in _SETTINGS and each is not None}

    def execution(self) -> Execution:
        """How an attempt runs on this machine, before any recovery changed it."""
        return Execution(micro_batch=self.micro_batch, threads=self.threads)

    def find_data(self) -> None:
        """The photos of ``dataset=``, where it is a folder."""
        folder = origin_of(self.dataset).folder
        if folder is None or folder.is_dir():
            return
        wrong = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UsageError(
            f"dataset={self.dataset}: {folder} {wrong}",
            fix="dataset=FOLDER of photos, dataset=pets, or leave it out for synthetic cats",
        )

    def canonical(self, state: Path) -> dict[str, JsonValue]:
        """Every setting as it is resolved, in place of the preset, whose name is a label."""
        values = super().canonical(state)
        del values["preset"]
        values |= {name: canonical_value(each) for name, each in self.config() if name != "preset"}
        origin = origin_of(self.dataset)
        values["dataset"] = origin.name if origin.folder is None else absolute(origin.folder)
        return values


Trained = TypeVar("Trained", bound=TrainingParameters)


@overload
def training_parameters(model: str) -> type[TrainingParameters]: ...


@overload
def training_parameters(model: str, base: type[Trained]) -> type[Trained]: ...


def training_parameters(
    model: str, base: type[TrainingParameters] = TrainingParameters
) -> type[TrainingParameters]:
    """The parameters of a goal that trains ``model``: every setting of its configuration too."""
    presets = tuple(PRESETS[model])
    fields: dict[str, Any] = {
        name: (_setting(field), what(None, description=field.description))
        for name, field in TrainingConfig.model_fields.items()
        if name in _SETTINGS
    }
    fields["model"] = (Literal[model], what(model, description="fixed by the goal", frozen=True))
    fields["preset"] = (
        Annotated[Literal[presets], BeforeValidator(_preset_of(model))],
        what("tiny", headline=True, description=base.model_fields["preset"].description),
    )
    return create_model(f"{model.title()}Parameters", __base__=base, **fields)


def _setting(field: FieldInfo) -> Any:
    """The type of a setting, with its bounds and choices; None is what the preset says."""
    bounds = list(field.metadata)
    if get_origin(field.annotation) is tuple:
        bounds.append(BeforeValidator(_listed))
    kind: Any = Annotated[(field.annotation, *bounds)] if bounds else field.annotation
    return kind | None


def _listed(value: object) -> object:
    """A list as it is written on a command line, ``0.9,0.95``, or in JSON, as a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


class _preset_of:  # noqa: N801 - a function that knows its model
    """Refuses what is no preset of a model, and names those there are."""

    def __init__(self, model: str) -> None:
        self.model = model

    def __call__(self, value: object) -> object:
        known = PRESETS[self.model]
        if isinstance(value, str) and value not in known:
            raise ValueError(
                f"there is no preset {value!r} of {self.model}{nearest(value, known)}; "
                f"there are {', '.join(known)}"
            )
        return value
