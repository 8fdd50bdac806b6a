"""Everything that can be wrong in a declaration, found when it is made.

Each error has the file and line of the argument, says what is wrong there, and what to write.
"""

import keyword
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from training.compute.gpu import gpu_names
from training.declare.check_files import check_files
from training.declare.check_settings import check_settings
from training.declare.place import DeclarationError, similar
from training.runner.command import PLACES, names_in, words_of
from training.runner.gates import Gate
from training.runner.keep import Keep
from training.runner.order import Metrics, Results

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["LONGEST", "check"]

LONGEST: Final = 86400
MOST_NODES: Final = 64
"""Seconds that a call may last at most: what the platform allows."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+:~-]+)?")
_PYTHON: Final = re.compile(r"3\.(?:9|1[0-4])")
_SHELL_SIGNS: Final = ("|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1")


def check(training: "Training") -> None:
    """Return when a declaration makes sense.

    Raises:
        DeclarationError: It does not.
    """
    _check_names(training)
    check_settings(training)
    _check_command(training)
    check_files(training)
    _check_hardware(training)
    _check_image(training)
    _check_outputs(training)
    _check_judgement(training)


def _check_names(training: "Training") -> None:
    for argument in ("name", "goal"):
        name = _said(training, argument)
        if argument == "goal" and name is None:
            continue
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise _error(
                training,
                argument,
                f"{name!r} is no identifier, and facts are called after it",
                f"{argument}={_identifier(name)!r}",
            )
        if name.startswith("_"):
            raise _error(training, argument, f"{name!r} begins with _", "leave it out")


def _identifier(name: object) -> str:
    words = re.sub(r"\W+", "_", str(name)).strip("_").lower()
    return words if words.isidentifier() and not keyword.iskeyword(words) else f"training_{words}"


def _check_command(training: "Training") -> None:
    try:
        words = words_of(training.command, shell=training.shell)
        names = list(names_in(words))
    except ValueError as error:
        raise _error(training, "command", str(error), "correct the command") from None
    fields = training.setting_names
    for name in names:
        if name not in fields and name not in PLACES:
            there = ", ".join([*fields, *PLACES])
            raise _error(
                training,
                "command",
                f"there is nothing to put in for {{{name}}}"
                f"{similar(name, [*fields, *PLACES])}; there are {there}",
                f"correct the name, or add {name} to settings=",
            )
    for place, argument in (("data_dir", "data"), ("init", "init")):
        if place in names and _said(training, argument) is None:
            raise _error(
                training,
                "command",
                f"{{{place}}} is empty: the training is declared without {argument}=",
                f"say {argument}=, or leave {{{place}}} out",
            )
    signs = [word for word in words if word in _SHELL_SIGNS]
    if signs and not training.shell:
        raise _error(
            training,
            "command",
            f"{signs[0]} means something to a shell only, and none reads this command",
            "say shell=True, or put the command in a script",
        )


def _check_hardware(training: "Training") -> None:
    try:
        gpu_names(training.gpu)
    except ValueError as error:
        raise _error(training, "gpu", str(error), 'write for example gpu="A10G"') from None
    for argument in ("cpu", "memory"):
        value = _said(training, argument)
        whole = int if argument == "memory" else (int, float)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, whole) or not value > 0
        ):
            unit = "megabytes, a whole number" if argument == "memory" else "cores"
            raise _error(training, argument, f"{value!r} is no number of {unit}", "write 1 or more")
    nodes = _said(training, "nodes")
    if isinstance(nodes, bool) or not isinstance(nodes, int) or not 1 <= nodes <= MOST_NODES:
        problem = f"{nodes!r}: a training has 1 to {MOST_NODES} machines at once"
        raise _error(training, "nodes", problem, "nodes=2, or leave it out")
    timeout = _said(training, "timeout")
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= LONGEST:
        raise _error(
            training,
            "timeout",
            f"{timeout!r}: a call lasts from 1 to {LONGEST:,} seconds (a day); a longer training "
            "goes on with the next call by itself",
            f"timeout={LONGEST}, or leave it out",
        )
    if training.region is not None and not str(training.region).strip():
        raise _error(training, "region", "it is empty", "name a region, or leave it out")


def _check_image(training: "Training") -> None:
    for package in training.apt:
        if not _PACKAGE.fullmatch(package):
            raise _error(training, "apt", f"{package!r} is no package", 'apt=["ffmpeg"]')
    python = _said(training, "python")
    if not isinstance(python, str) or not _PYTHON.fullmatch(python):
        raise _error(
            training,
            "python",
            f"{training.python!r} is no version from 3.9 to 3.14, as a text",
            'python="3.11"',
        )
    for argument in ("env", "tags"):
        for name, value in _said(training, argument).items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise _error(
                    training,
                    argument,
                    f"{name!r}: {value!r} is no text",
                    f'write "{name}": "{value}"',
                )
    for name in training.env:
        if not _VARIABLE.fullmatch(name):
            raise _error(training, "env", f"{name!r} is no name of a variable", "correct it")
        if name.startswith("GOAP_"):
            raise _error(
                training, "env", f"{name} is set by the runner", "give it a name of your own"
            )


def _check_outputs(training: "Training") -> None:
    pattern = training.checkpoints
    if pattern is not None:
        _check_below(training, "checkpoints", pattern)
        if not any(sign in PurePosixPath(pattern).name for sign in "*?["):
            raise _error(
                training,
                "checkpoints",
                f"{pattern!r} names one directory; the number in a name is the step",
                'checkpoints="checkpoint-*"',
            )
    if training.complete and PurePosixPath(training.complete).name != training.complete:
        raise _error(
            training, "complete", f"{training.complete!r} is no name of a file", "name one in it"
        )
    metrics, result = training.metrics, training.result
    if metrics is not None:
        _check_metrics(training, metrics)
    if result is not None:
        if not isinstance(result, Results):
            raise _error(
                training, "result", f"{result!r} is no Results", 'Results("all_results.json")'
            )
        _check_below(training, "result", result.file)


def _check_metrics(training: "Training", metrics: Metrics) -> None:
    if not isinstance(metrics, Metrics):
        raise _error(training, "metrics", f"{metrics!r} is no Metrics", 'Metrics("log.jsonl")')
    if bool(metrics.file) == bool(metrics.log):
        raise _error(
            training, "metrics", "rows are in a file or in the log", "say one of file= and log="
        )
    if metrics.file:
        _check_below(training, "metrics", metrics.file)
        if not metrics.file.endswith((".jsonl", ".csv")):
            raise _error(
                training,
                "metrics",
                f"{metrics.file!r} is read as JSON lines or as a table",
                "name a file that ends with .jsonl or .csv",
            )
        return
    try:
        groups = set(re.compile(metrics.log).groupindex)
    except re.error as error:
        raise _error(training, "metrics", f"log={metrics.log!r}: {error}", "correct it") from None
    if "step" not in groups or len(groups) < 2:
        raise _error(
            training,
            "metrics",
            f"log={metrics.log!r} has no group for the step, or none for a number",
            r'log=r"step (?P<step>\d+).*loss (?P<loss>\S+)"',
        )


def _check_below(training: "Training", argument: str, name: str) -> None:
    path = PurePosixPath(name)
    if not name.strip() or path.is_absolute() or ".." in path.parts:
        raise _error(
            training,
            argument,
            f"{name!r} is not below the run directory",
            "name it relative to the run directory",
        )


def _check_judgement(training: "Training") -> None:
    names = []
    for gate in training.gates:
        if not isinstance(gate, Gate):
            raise _error(
                training, "gates", f"{gate!r} is no Gate", 'gates=[Gate("val_loss", "<=", 3.0)]'
            )
        names.append(gate.name or gate.metric)
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise _error(
            training, "gates", f"two gates are called {doubled!r}", "give one of them a name="
        )
    if not isinstance(training.keep, Keep):
        raise _error(training, "keep", f"{training.keep!r} is no Keep", "keep=Keep(last=3)")
    for code in _said(training, "retry_exit_codes"):
        if isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= 255:
            raise _error(
                training, "retry_exit_codes", f"{code!r} is no exit code", "write 1 to 255"
            )


def _said(training: "Training", argument: str) -> Any:
    """What was said, of whatever type: nobody checks the types of a declaration but this."""
    return vars(training)[argument]


def _error(training: "Training", argument: str, message: Any, fix: str) -> DeclarationError:
    return training.place.error(argument, f"{argument}= of {training.name!r}: {message}", fix)
