"""What the end of a script means: a name, a class that recovery is planned from, a sentence."""

import json
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.errors import IMAGE_INCOMPLETE, FailureClass
from training.runner.ending import Failure
from training.runner.order import Order

__all__ = ["STOPPED", "End", "failure_of", "read_object"]

STOPPED: Final = (0, 143, -signal.SIGTERM)
"""Exit codes of a script that saved and ended because it was asked to, or had reached its end."""

_DISK: Final = re.compile(r"No space left on device|Disk quota exceeded|Errno 28|Errno 122", re.I)
_MEMORY: Final = re.compile(r"out of memory|OutOfMemoryError|MemoryError|Cannot allocate memory")
_MISSING: Final = re.compile(r"(ModuleNotFoundError|ImportError): (.*)")
_ERROR: Final = re.compile(r"(\w+\.)*(\w*(Error|Exception|Interrupt)|error|Killed)\b.*", re.I)


@dataclass(frozen=True)
class End:
    """How a script ended.

    Attributes:
        code: Its exit code; a signal's number is negative.
        asked: Why we asked it to stop; empty when we did not.
        killed: Whether we killed it, because it did not stop.
        said: The lines it printed, the last ones.
        advanced: Whether a newer checkpoint is there than at its start.
    """

    code: int
    asked: str
    killed: bool
    said: Sequence[str]
    advanced: bool


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none, or it is not one."""
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return stored if isinstance(stored, dict) else None


def failure_of(order: Order, end: End, failure_file: Path) -> Failure:
    """Why a script that left no result ended."""
    own = _own(failure_file, end.code)
    if own is not None:
        return own
    if end.asked:
        how = ", and was killed: it did not stop" if end.killed else ""
        message = f"stopped by {end.asked}{how}; the next attempt goes on from the checkpoint"
        return Failure(FailureClass.INTERRUPTED, "interrupted", message, end.code)
    for made in (_said(end), _coded(order, end)):
        if made is not None:
            return made
    last = next((line for line in reversed(end.said) if _ERROR.match(line)), "")
    message = f"the script ended with exit code {end.code}" + (f": {last}" if last else "")
    return Failure(FailureClass.UNKNOWN, f"exit_{end.code}", message, end.code)


def _own(path: Path, code: int) -> Failure | None:
    """What the script says itself."""
    stored = read_object(path)
    if stored is None or not isinstance(stored.get("name"), str):
        return None
    try:
        kind = FailureClass(str(stored.get("class", "unknown")))
    except ValueError:
        kind = FailureClass.UNKNOWN
    return Failure(kind, stored["name"][:80], str(stored.get("message", ""))[:500], code)


def _said(end: End) -> Failure | None:
    """What the last lines give away; they count only for a script that did not end well."""
    if end.code == 0:
        return None
    text = "\n".join(end.said[-40:])
    if match := _DISK.search(text):
        message = f"there was no room to write: {match[0]}"
        return Failure(FailureClass.RESOURCE, "disk_full", message, end.code)
    if match := _MEMORY.search(text):
        message = f"there was not enough memory: {match[0]}"
        return Failure(FailureClass.RESOURCE, "out_of_memory", message, end.code)
    if match := _MISSING.search(text):
        return Failure(
            FailureClass.PERMANENT,
            IMAGE_INCOMPLETE,
            match[0],
            end.code,
            fix="add what is missing to requirements= or source= of the declaration",
        )
    return None


def _coded(order: Order, end: End) -> Failure | None:
    """What an exit code by itself means."""
    if end.code in order.retry_exit_codes:
        message = f"the script ended with exit code {end.code}, after which it may be tried again"
        return Failure(FailureClass.TRANSIENT, f"exit_{end.code}", message, end.code)
    if end.code in (137, -signal.SIGKILL):
        message = "the script was killed from outside, probably because memory ran out"
        return Failure(FailureClass.RESOURCE, "out_of_memory", message, end.code)
    if end.code in STOPPED and (end.advanced or end.code != 0):
        message = "the script ended before its end; the next attempt goes on from the checkpoint"
        return Failure(FailureClass.INTERRUPTED, "interrupted", message, end.code)
    if end.code == 0:
        return Failure(
            FailureClass.PERMANENT,
            "no_result",
            "the script ended with exit code 0 and left no result",
            end.code,
            fix="write result.json at its end (run.finish(…)), or declare result=Results(…)",
        )
    if end.code < 0:
        name = signal.Signals(-end.code).name
        return Failure(
            FailureClass.UNKNOWN, f"killed_{name}", f"the script was ended by {name}", end.code
        )
    if end.code in (126, 127):
        return Failure(
            FailureClass.PERMANENT,
            IMAGE_INCOMPLETE,
            f"the command cannot be started: {' '.join(end.said[-1:])}",
            end.code,
            fix="change command= of the declaration, or add what it needs to its image",
        )
    return None
