"""What to train (`TrainingConfig`, part of the training key) and how to run it (`Execution`, not).

Same configuration, same source, same dataset: same training. How many threads or how many
micro-batches it takes is decided by the machine and never changes what is trained.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigError
from training.learn.presets import PRESETS

__all__ = ["Execution", "TrainingConfig", "config_of", "resolve"]

_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_Beta = Annotated[float, Field(gt=0.0, lt=1.0)]
# The power profile of Karras et al. (arXiv 2312.02696, section 3) exists for 0 < std < 12 ** -0.5.
_EmaStd = Annotated[float, Field(gt=0.0, lt=0.288)]
_Positive = Annotated[int, Field(ge=1)]


class TrainingConfig(BaseModel):
    """Everything that decides what the weights become. Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    model: Literal["dit", "classifier"]
    preset: str = Field(description="the preset the other values started from")
    image_size: int = Field(32, ge=8, le=1024, description="pixels along a side")
    patch: _Positive = Field(8, description="pixels along a side of a token (dit)")
    dim: _Positive = Field(192, description="width of the stream; of the first stage (classifier)")
    depth: _Positive = Field(4, description="number of blocks")
    heads: _Positive = Field(6, description="attention heads (dit)")
    batch: _Positive = Field(32, description="images per step, however many pieces it takes")
    steps: _Positive = Field(2_000, description="optimizer steps to the end")
    learning_rate: float = Field(2e-3, gt=0.0)
    betas: tuple[_Beta, _Beta] = Field((0.9, 0.95), description="AdamW momentum terms")
    warmup_steps: int = Field(50, ge=0)
    constant_until: _Fraction = Field(0.4, description="fraction of steps; then cosine to 0")
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0, description="largest gradient norm")
    label_dropout: _Fraction = Field(0.1, description="how often the label becomes the null class")
    ema_stds: tuple[_EmaStd, ...] = Field((0.05, 0.10), description="EDM2 power profiles")
    seed: int = Field(0, ge=0, lt=2**63)
    save_every: _Positive = Field(500, description="steps between checkpoints")
    sample_every: _Positive = Field(500, description="steps between sample grids")
    log_every: _Positive = Field(50, description="steps between lines of metrics")
    validate_every: _Positive = Field(250, description="steps between validations")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    augment: bool = Field(True, description="mirror half of the images")
    guidance: float = Field(2.0, ge=1.0, description="classifier-free guidance when sampling")
    sampler: Literal["heun", "euler"] = "heun"
    sample_steps: _Positive = Field(25, description="integration steps of a sample")
    judged_samples: int = Field(
        1_024, ge=0, description="samples compared with held-out photos at the end (dit); 0: none"
    )
    judged_share: float = Field(
        0.1,
        gt=0.0,
        description="how much further than photos they may be from photos, as a share of noise",
    )
    keep_last: _Positive = Field(3, description="newest checkpoints to keep")
    keep_every: int = Field(0, ge=0, description="keep each K-th step as well; 0: none")

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        if self.model != "dit":
            return self
        if self.image_size % self.patch:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of patch {self.patch}"
            )
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        if self.dim % 4:
            raise ValueError(f"dim {self.dim} must be a multiple of 4 for 2-D sine positions")
        return self


class Execution(BaseModel):
    """How one attempt runs. Never part of the training key; `None` means: decide here."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    micro_batch: int | None = Field(None, ge=1, description="images per forward; accumulated")
    threads: int | None = Field(None, ge=1)
    device: str | None = Field(None, description="cpu, cuda, cuda:1; None picks the best")
    compile: bool | None = Field(None, description="torch.compile; None: on GPU only")
    background_saves: bool | None = Field(
        None, description="go on while a checkpoint is written; None: on GPU only"
    )


def config_of(settings: Mapping[str, object]) -> TrainingConfig:
    """The configuration among the settings that a script is given.

    Raises:
        ValidationError: They are not those of a training.
    """
    fields = TrainingConfig.model_fields
    return TrainingConfig.model_validate({k: v for k, v in settings.items() if k in fields})


def resolve(
    model: str, preset: str, overrides: Mapping[str, object] | None = None, **more: object
) -> TrainingConfig:
    """The configuration of `preset`, with overrides; strings are read as on a command line.

    Lists may be written with commas: ``betas="0.9,0.99"``.

    Raises:
        ConfigError: Unknown model, preset or field (with the nearest name), or a value that does
            not make sense.

    >>> resolve("dit", "smoke", steps="20").steps
    20
    """
    presets = PRESETS[_known(model, PRESETS, "model")]
    base = presets[_known(preset, presets, f"preset of {model}")]
    fields = set(TrainingConfig.model_fields) - {"model", "preset"}
    given = {**(overrides or {}), **more}
    changes = {_known(name, fields, "setting"): _value(name, v) for name, v in given.items()}
    try:
        return TrainingConfig.model_validate({**base, **changes, "model": model, "preset": preset})
    except ValidationError as error:
        raise _config_error(error, model, preset) from error


def _value(name: str, value: object) -> object:
    if isinstance(value, str) and name in ("betas", "ema_stds"):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _known(name: str, names: Mapping[str, object] | set[str], what: str) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"unknown {what}: {name}{hint}",
        fix=f"use one of: {', '.join(sorted(names))}",
        code="unknown_setting" if what == "setting" else "unknown_name",
    )


def _config_error(error: ValidationError, model: str, preset: str) -> ConfigError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or f"{model}/{preset}"
    what = first["msg"].removeprefix("Value error, ")
    given = "" if not first["loc"] else f" (given: {first['input']!r})"
    return ConfigError(
        f"{where}: {what}{given}", fix=f"change {where} and try again", code="invalid_setting"
    )
