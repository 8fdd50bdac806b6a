"""What is declared of a script: which of its arguments are settings, and how it is started."""

import builtins
import keyword
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.init.arguments import UNKNOWN, Argument
from actions.init.pins import Requirements
from actions.init.script import Script
from actions.trained.parameters import TrainedParameters
from agents.run.asking import ENGINE_KEYS

__all__ = ["Declaration", "Setting", "declare", "name_of"]

_OUTPUTS = {
    *("output_dir", "out_dir", "outdir", "output", "out", "save_dir", "savedir", "run_dir"),
    *("work_dir", "workdir", "results_dir", "checkpoint_dir", "ckpt_dir", "default_root_dir"),
    *("model_dir", "exp_dir", "experiment_dir", "log_dir", "logdir", "logging_dir"),
}
_RESUMES = {
    *("resume", "resume_from", "resume_from_checkpoint", "resume_path", "from_checkpoint"),
    *("checkpoint", "ckpt", "ckpt_path", "load_checkpoint", "restore"),
}
_DATA = {"data", "data_dir", "data_path", "data_root", "dataset", "dataset_dir", "input_dir"}
_TARGETS = ("steps", "max_steps", "num_steps", "train_steps", "total_steps", "iterations", "iters")
_RATES = ("lr", "learning_rate")
_PLACES = ("run_dir", "resume", "data_dir", "init")
"""Placeholders that are no settings."""

_TAKEN = {*_PLACES, *ENGINE_KEYS, *dir(TrainedParameters), *TrainedParameters.model_fields}
"""What a setting cannot be called: a goal that trains takes these itself."""

_NAMES_OF_THE_JOB = {
    *("BaseModel", "CATALOGUE", "Field", "Gate", "Literal", "Metrics", "Results", "Settings"),
    *("Training", "toolkit", *dir(builtins)),
}
_TOO_COMMON = ("train", "main", "run", "training", "script")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Setting:
    """A field of the settings.

    Attributes:
        kind: Its type, as it is written.
        default: Its value.
        bounds: As pydantic's ``Field`` takes them.
        guessed: Whether the script says no default; a setting has one, as nobody has to say it.
    """

    name: str
    kind: type
    default: Any
    choices: tuple[Any, ...] = ()
    bounds: str = ""
    about: str = ""
    guessed: bool = False


@dataclass(frozen=True)
class Declaration:
    """All that a job file says of one training.

    Attributes:
        left_out: Arguments that are no settings, and why.
        target: The setting that says how many steps there are; None where none does.
        gates: The gates, as they are written; empty: the reader is shown how.
    """

    name: str
    about: str
    script: Script
    words: tuple[str, ...]
    requirements: Requirements
    settings: tuple[Setting, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    source: tuple[str, ...] = ()
    data: str = ""
    gpu: tuple[str, ...] = ()
    target: str | None = None
    gates: tuple[str, ...] = ()

    @property
    def goal(self) -> str:
        """The name of its goal."""
        return f"{self.name}_trained"


def name_of(script: str, folder: Path) -> str:
    """What a training is called when nobody says: after its script, else after the folder."""
    stem = Path(script).stem
    for text in (folder.resolve().name if stem in _TOO_COMMON else stem, stem):
        name = re.sub(r"\W+", "_", text.lower()).strip("_")
        if name.isidentifier() and not keyword.iskeyword(name) and name not in _NAMES_OF_THE_JOB:
            return name
    return "model"


def declare(
    folder: Path,
    script: Script,
    requirements: Requirements,
    *,
    name: str,
    command: str = "",
    gpu: str = "",
    gates: Iterable[str] = (),
) -> Declaration:
    """What is declared of a script.

    Args:
        folder: Of the job.
        script: As it was read.
        requirements: What it needs.
        name: Of the training.
        command: How it is started; made of its arguments where nothing is said.
        gpu: What it trains on, or several in the order of preference, with commas.
        gates: As they are written.
    """
    roles = _Roles(folder, script)
    words = tuple(shlex.split(command)) if command else tuple(roles.words())
    asked = dict.fromkeys(each for word in words for each in _PLACEHOLDER.findall(word))
    settings = tuple(roles.setting(each) for each in asked if each not in _PLACES)
    targets = [each.name for each in settings if each.name in _TARGETS]
    return Declaration(
        name=name,
        about=f"The training of {script.path}: what it is made of, and how it is judged.",
        script=script,
        words=words,
        requirements=requirements,
        settings=settings,
        left_out=() if command else tuple(roles.left_out()),
        source=script.files,
        data=roles.data if "data_dir" in asked or script.uses_contract else "",
        gpu=tuple(each.strip() for each in gpu.split(",") if each.strip()),
        target=min(targets, key=_TARGETS.index, default=None),
        gates=tuple(gates),
    )


class _Roles:
    """What each argument of a script is for."""

    def __init__(self, folder: Path, script: Script) -> None:
        self._folder, self._script = folder, script
        self._by_name = {_safe(each.name): each for each in script.arguments}
        self.data = self._data()

    def _data(self) -> str:
        """The folder beside the script that holds its data; empty when none is seen."""
        said = [each.default for each in self._script.arguments if each.name in _DATA]
        for place in (*said, "data"):
            if not isinstance(place, str) or not Path(place).parts or ".." in Path(place).parts:
                continue
            files = (each for each in (self._folder / place).rglob("*") if each.is_file())
            if not Path(place).is_absolute() and next(files, None):
                return Path(place).as_posix()
        return ""

    def words(self) -> Iterator[str]:
        """The words that start the script, with a placeholder for each value."""
        yield from self._script.words
        for argument in self._script.arguments:
            value = self._value(argument)
            if not value:
                continue
            if value == "{resume}" and argument.flag:
                yield f"{argument.flag}={value}"  # one word, so that all of it is left out
            else:
                yield from (argument.flag, value) if argument.flag else (value,)

    def _value(self, argument: Argument) -> str:
        """The placeholder of an argument's value; empty for one that is left out."""
        if argument.kind is str and not argument.odd and not argument.choices:
            if argument.name in _OUTPUTS:
                return "{run_dir}"
            if argument.name in _RESUMES:
                return "{resume}"
            if argument.name in _DATA and self.data and self._is_data(argument):
                return "{data_dir}"
        return "" if self._why_left_out(argument) else f"{{{_safe(argument.name)}}}"

    def _is_data(self, argument: Argument) -> bool:
        return argument.default in (self.data, None, UNKNOWN)

    def _why_left_out(self, argument: Argument) -> str:
        if argument.odd:
            return argument.odd
        if argument.required and argument.default is None:
            return ""
        if argument.default is None:
            return "nothing is its default"
        if not isinstance(argument.default, int | float | str):
            return "its default is worked out"
        if isinstance(argument.default, bool):
            return "it is on or off"
        if argument.default in self._script.files:
            return "it names a file that is shipped"
        return ""

    def left_out(self) -> Iterator[tuple[str, str]]:
        """The arguments that the command does not say, and why."""
        for argument in self._script.arguments:
            if not self._value(argument):
                yield argument.flag or argument.name, self._why_left_out(argument)

    def setting(self, name: str) -> Setting:
        """The field of a placeholder: what the script says of it, else what its name says."""
        argument = self._by_name.get(name)
        if argument is None:
            argument = Argument(
                name, "", int if name in _TARGETS else float if name in _RATES else str
            )
        kind = argument.kind
        choices = tuple(_as(kind, each) for each in argument.choices)
        known = UNKNOWN if argument.default is None else _as(kind, argument.default)
        default = _guess(argument, choices) if known is UNKNOWN else known
        return Setting(
            name,
            kind,
            default,
            choices,
            "" if choices else _bounds(name, default),
            argument.about,
            guessed=known is UNKNOWN,
        )


def _guess(argument: Argument, choices: tuple[Any, ...]) -> Any:
    """A default for a value that the script wants to be told."""
    if choices:
        return choices[0]
    if argument.name in _TARGETS:
        return 100
    return 0.001 if argument.name in _RATES else argument.kind()


def _safe(name: str) -> str:
    """The name of a setting: as the argument's, unless somebody else has that name."""
    plain = re.sub(r"\W", "_", name).strip("_") or "value"
    taken = plain in _TAKEN or keyword.iskeyword(plain)
    return f"{plain}_" if taken or not plain.isidentifier() else plain


def _as(kind: type, value: Any) -> Any:
    """A default as its type has it; what does not fit is not known."""
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN


def _bounds(name: str, default: Any) -> str:
    positive = isinstance(default, int | float) and default > 0
    if name in _TARGETS and positive:
        return "ge=1"
    return "gt=0" if name in _RATES and positive else ""
