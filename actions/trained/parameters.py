"""The parameters of a goal that trains what a user declared: its settings, and those before it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, overload

from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from actions.trained.files import source_at
from actions.trained.names import chain_of
from agents.declare.parameters import canonical_value, how, what
from agents.errors import UsageError
from agents.run.asking import ENGINE_KEYS
from goals.durations import Seconds
from goals.placed import PlacedParameters
from training.compute.gpu import gpu_names
from training.declare.training import Training
from training.runner.bucket import Bucket

__all__ = ["TrainedParameters", "parameters_of", "told"]


class _NoSettings(BaseModel):
    """Of a training that declares none."""

    model_config = ConfigDict(defer_build=True)


class TrainedParameters(PlacedParameters):
    """Where to train, and with what; a goal adds the settings of its trainings."""

    model_config = ConfigDict(allow_inf_nan=False, protected_namespaces=())

    chain: ClassVar[tuple[Training, ...]] = ()
    """The trainings of the goal, in the order they are trained; that of the goal is the last."""

    words: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Training → its setting → the parameter that sets it."""

    gpu: str | None = how(None, description="the GPU instead of the declared one, such as A10G")
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
    track: Literal["tensorboard", "mlflow"] | None = how(
        None, description="show metrics and samples in this tracker as well (compute=local)"
    )

    @field_validator("gpu")
    @classmethod
    def _is_named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("name a GPU, or leave gpu= out")
        # several, in the order they are wanted, with commas between
        return ",".join(gpu_names(value.split(","))) if value is not None else None

    @model_validator(mode="after")
    def _settings_make_sense(self) -> Self:
        for training in self.chain:
            try:
                self.settings_of(training)
            except ValidationError as error:
                raise ValueError(told(error, self.words[training.name])) from error
        return self

    def find_data(self) -> None:
        """See that no data is in a bucket which this machine would have to mount.

        Raises:
            UsageError: Some is.
        """
        bucket = next(
            (b for b in (each.data for each in self.chain) if isinstance(b, Bucket)), None
        )
        if self.compute == "local" and bucket is not None:
            raise UsageError(
                f"the data is {bucket.label}, and this machine mounts no bucket: compute=local",
                fix="compute=modal; or compute=loopback, where a folder plays it; or a copy of the "
                'data in a folder: data="FOLDER"',
            )

    def settings_of(self, training: Training) -> BaseModel:
        """The settings that a training of this goal is asked for with.

        Raises:
            KeyError: The goal trains no such training.
        """
        if training.name not in self._resolved:
            kind = training.settings or _NoSettings
            self._resolved[training.name] = kind.model_validate(self.given(training))
        return self._resolved[training.name]

    def given(self, training: Training) -> dict[str, object]:
        """The settings of a training that were said."""
        values, said = dict(self), self.model_fields_set
        words = self.words[training.name]
        return {setting: values[word] for setting, word in words.items() if word in said}

    @cached_property
    def _resolved(self) -> dict[str, BaseModel]:
        return {}

    def canonical(self, state: Path) -> dict[str, JsonValue]:
        """Every setting as its training understands it, and the source that would be trained.

        Who approved a plan did so for the files of then; no parameter can be called like these.
        """
        values = super().canonical(state)
        for training in self.chain:
            values[f"source of {training.name}"] = source_at(training, self, state).digest
            for setting, value in self.settings_of(training):
                values[self.words[training.name][setting]] = canonical_value(value)
        return values


Trained = TypeVar("Trained", bound=TrainedParameters)


@overload
def parameters_of(training: Training) -> type[TrainedParameters]: ...


@overload
def parameters_of(training: Training, base: type[Trained]) -> type[Trained]: ...


def parameters_of(
    training: Training, base: type[TrainedParameters] = TrainedParameters
) -> type[TrainedParameters]:
    """The parameters of a goal that trains something.

    Args:
        training: The declaration.
        base: What such a goal takes besides.

    Raises:
        UsageError: A setting is called like what every such goal takes, or like another setting.
    """
    chain = chain_of(training)
    fields: dict[str, Any] = {}
    words: dict[str, dict[str, str]] = {}
    owners: dict[str, str] = {}
    for each in chain:
        words[each.name] = {}
        declared = each.settings.model_fields if each.settings is not None else {}
        for setting, field in declared.items():
            word = setting if each is training else f"{each.name}_{setting}"
            _check(base, word, f"the setting {setting} of {each.name} ({each.where})", owners)
            words[each.name][setting] = word
            fields[word] = (_kind(field), _field(each, setting, field))
    made = create_model(
        f"{training.name.title().replace('_', '')}Parameters",
        __base__=base,
        __doc__=base.__doc__,
        **fields,
    )
    made.chain, made.words = chain, words
    return made


def _check(base: type[BaseModel], word: str, owner: str, owners: dict[str, str]) -> None:
    other = owners.get(word)
    if word in base.model_fields or word in ENGINE_KEYS:
        other = f"the parameter {word}= that every goal of a training takes"
    elif word in dir(base):
        other = f"{word} of every pydantic model"
    if other is not None:
        raise UsageError(f"{owner} is called like {other}", fix="rename the setting")
    owners[word] = owner


def _kind(field: FieldInfo) -> Any:
    """The type of a setting with its bounds."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _field(training: Training, setting: str, field: FieldInfo) -> Any:
    declare = how if setting in (training.micro_batch, *training.how) else what
    options: dict[str, Any] = {"description": field.description}
    if field.default_factory is not None:
        return declare(None, **options, validate_default=False)
    return declare(field.default, **options) if not field.is_required() else declare(**options)


def told(error: ValidationError, words: Mapping[str, str]) -> str:
    """What the declared settings refuse, by the words of the command line."""
    said = []
    for each in error.errors():
        place = [str(part) for part in each["loc"]]
        where = ".".join([words.get(place[0], place[0]), *place[1:]]) if place else ""
        message = each["msg"].removeprefix("Value error, ")
        said.append(f"{where}: {message}" if where else message)
    return "; ".join(said)
