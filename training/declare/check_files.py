"""Whether the files, pins and trainings that a declaration names are there."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from training.declare.check_bucket import check_bucket
from training.declare.data import DataError, folder_of
from training.declare.place import DeclarationError
from training.declare.prepare import Prepare
from training.declare.requirements import RequirementError, pins_of
from training.declare.source import SourceError, files_of
from training.runner.bucket import Bucket
from training.runner.command import names_in, words_of

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["check_files"]

_OUT = "out"


def check_files(training: "Training") -> None:
    """Return when everything that a declaration names is there.

    Raises:
        DeclarationError: Something is not.
    """
    if not training.folder.is_dir():
        raise _error(training, "root", f"there is no folder {training.folder}", "correct root=")
    _check_data(training)
    shipped: list[Path] = []
    for argument, entries in (("source", training.source), ("beside", training.beside)):
        try:
            shipped += files_of(training.folder, entries, training.apart)
        except SourceError as error:
            raise _error(training, argument, error.message, error.fix) from error
    _check_script(training, shipped)
    try:
        pins_of(training.folder, training.requirements)
    except RequirementError as error:
        raise _error(training, "requirements", error.message, error.fix) from error


def _check_script(training: "Training", files: Sequence[Path]) -> None:
    """What the command names and what lies beside the declaration has to be shipped."""
    if training.shell:
        return
    words = [word for word in words_of(training.command) if not list(names_in([word]))]
    modules = [after for word, after in pairwise(words) if word == "-m"]
    named = [word for word in words if PurePath(word).suffix or word.startswith("./")]
    named += [f"{module.replace('.', '/')}.py" for module in modules]
    for word in named:
        path = training.folder / word
        if not PurePath(word).is_absolute() and path.is_file() and path not in files:
            raise _error(
                training,
                "source",
                f"the command names {word}, which is beside the declaration and not shipped",
                f'add "{word}" to source=',
            )


def _check_data(training: "Training") -> None:
    from training.declare.training import Training  # noqa: PLC0415 - which calls this

    data, init = training.data, training.init
    if init is not None and not isinstance(init, Training):
        raise _error(training, "init", f"{init!r} is no training", "init=OTHER, the variable")
    if data is None or isinstance(data, Training):
        return
    if isinstance(data, Prepare):
        _check_prepare(training, data)
        return
    if isinstance(data, Bucket):
        check_bucket(training, data)
        return
    if not isinstance(data, str | Path):
        raise _error(
            training,
            "data",
            f"{data!r} is no folder, Prepare, Bucket or training",
            'data="folder", data=Prepare("python prepare.py {out}", source=["prepare.py"])',
        )
    try:
        folder_of(training.folder, data)
    except DataError as error:
        raise _error(training, "data", error.message, error.fix) from error


def _check_prepare(training: "Training", data: Prepare) -> None:
    try:
        names = list(names_in(words_of(data.command, shell=data.shell)))
        files_of(training.folder, data.source)
        for each in data.inputs:
            folder_of(training.folder, each, file=True)
    except ValueError as error:
        raise _error(training, "data", str(error), "correct the command") from None
    except (SourceError, DataError) as error:
        raise _error(training, "data", error.message, error.fix) from error
    wrong = [name for name in names if name != _OUT]
    if wrong:
        raise _error(
            training,
            "data",
            f"there is nothing to put in for {{{wrong[0]}}}; there is {{{_OUT}}}",
            f"write {{{_OUT}}}: the folder to write into; inputs are in $GOAP_DATA_INPUTS",
        )


def _error(training: "Training", argument: str, message: str, fix: str) -> DeclarationError:
    return training.place.error(argument, f"{argument}= of {training.name!r}: {message}", fix)
