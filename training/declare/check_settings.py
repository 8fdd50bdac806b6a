"""Whether the settings of a declaration can be set by words, and what is said of them is true."""

from typing import TYPE_CHECKING, Any, Final

from training.declare.place import DeclarationError, similar
from training.declare.settings import values_of
from training.runner.command import PLACES, names_in, words_of

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["RESERVED", "check_settings"]

RESERVED: Final = frozenset(
    {
        *("goal", "state", "max_cost", "plan_digest", "wait", "deadline"),
        *("compute", "volume", "repo", "commit", "gpu", "queue_timeout", "slice_seconds", "track"),
        *("data", "init", "source", "name", "key"),
    }
)
"""Words that mean something else beside the settings of a goal."""


def check_settings(training: "Training") -> None:
    """Return when the settings of a declaration make sense.

    Raises:
        DeclarationError: They do not.
    """
    kind = training.settings
    if kind is not None:
        _check_model(training, kind)
        _check_defaults(training, kind)
    _check_roles(training)
    _check_smoke(training)


def _check_model(training: "Training", kind: Any) -> None:
    from pydantic import BaseModel  # noqa: PLC0415 - a declaration without settings needs none

    if isinstance(kind, BaseModel):
        name = type(kind).__name__
        raise _error(training, "settings", f"{name}(…) is one value of it", f"settings={name}")
    if not isinstance(kind, type) or not issubclass(kind, BaseModel):
        raise _error(
            training,
            "settings",
            f"{kind!r} is no pydantic model",
            "class Settings(BaseModel): steps: int = 300",
        )
    for name, field in kind.model_fields.items():
        if name in PLACES or name in RESERVED:
            raise _error(
                training, "settings", f"{name} means something else already", "rename the setting"
            )
        if field.is_required():
            raise _error(
                training,
                "settings",
                f"{name} of {kind.__name__} has no default, and nobody has to say a setting",
                f"{name}: … = Field(VALUE, description=…)",
            )
        if field.alias is not None or field.validation_alias is not None:
            raise _error(
                training, "settings", f"{name} of {kind.__name__} has an alias", "leave it out"
            )


def _check_defaults(training: "Training", kind: Any) -> None:
    from pydantic import ValidationError  # noqa: PLC0415 - a declaration without settings has none

    try:
        values = values_of(kind.model_validate(dict(kind())))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _error(
            training,
            "settings",
            f"the default of {where or kind.__name__} is not allowed: {first['msg']}",
            "correct the default, or its bounds",
        ) from None
    except ValueError as error:
        raise _error(training, "settings", str(error), "give it another type") from None
    try:
        named = set(names_in(words_of(training.command, shell=training.shell)))
    except (ValueError, TypeError):
        return  # what is wrong with the command is said elsewhere
    for name in sorted(named & values.keys()):
        if isinstance(values[name], dict):
            raise _error(
                training,
                "command",
                f"{{{name}}} is more than one value, and no word of a command",
                "read it from $GOAP_SETTINGS, a JSON file",
            )


def _check_roles(training: "Training") -> None:
    """What is said of settings by their names."""
    names = training.setting_names
    roles = {
        argument: name
        for argument in ("target", "micro_batch", "learning_rate")
        if (name := vars(training)[argument]) is not None
    }
    for argument, name in [*roles.items(), *(("how", name) for name in training.how)]:
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "there is no settings="
            raise _error(
                training,
                argument,
                f"there is no setting {name!r}{similar(name, names)}; {there}",
                f"name one of settings=, or leave {argument}= out",
            )
    doubled = [name for name in roles.values() if list(roles.values()).count(name) > 1]
    if doubled:
        raise _error(training, "micro_batch", f"{doubled[0]} plays two parts", "name another one")
    changing = [name for name in ("target", "learning_rate") if roles.get(name) in training.how]
    if changing:
        raise _error(
            training,
            "how",
            f"{roles[changing[0]]} changes weights: it is {changing[0]}=",
            "leave it out",
        )
    if training.settings is not None:
        _check_types(training, roles)


def _check_types(training: "Training", roles: dict[str, str]) -> None:
    values = dict(training.settings()) if training.settings is not None else {}
    kinds = {"target": int, "micro_batch": int, "learning_rate": float}
    for argument, name in roles.items():
        value = values[name]
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, kinds[argument]))
        ):
            raise _error(
                training,
                argument,
                f"{name} is {value!r} by default, and no number",
                f"name a setting of type {kinds[argument].__name__}",
            )


def _check_smoke(training: "Training") -> None:
    names = training.setting_names
    for name in training.smoke:
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "there is no settings="
            raise _error(
                training,
                "smoke",
                f"there is no setting {name!r}{similar(str(name), names)}; {there}",
                "correct the name",
            )
    if training.settings is None or not training.smoke:
        return
    from pydantic import ValidationError  # noqa: PLC0415 - a declaration without settings has none

    try:
        training.settings.model_validate(dict(training.smoke))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _error(training, "smoke", f"{where}: {first['msg']}", "correct the value") from None


def _error(training: "Training", argument: str, message: str, fix: str) -> DeclarationError:
    return training.place.error(argument, f"{argument}= of {training.name!r}: {message}", fix)
