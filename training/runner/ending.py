"""How a training ended, in the runner's words: ``verdict.json`` (format 2)."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from training.errors import CheckpointError, FailureClass
from training.runner.gates import Gate, Verdict

__all__ = ["FORMAT", "Ending", "Failure", "Reference", "Status"]

FORMAT: Final = 2

Status: TypeAlias = Literal["completed", "interrupted", "failed"]


@dataclass(frozen=True)
class Failure:
    """Why a training ended early.

    Attributes:
        failure_class: What recovery is planned from.
        name: The same each time, such as ``out_of_memory``.
        message: What happened, for a person.
        exit_code: Of the script; a signal's number is negative; None where it had not ended.
        fix: What to do about it.
    """

    failure_class: FailureClass
    name: str
    message: str
    exit_code: int | None = None
    fix: str = ""


@dataclass(frozen=True)
class Reference:
    """A file or a checkpoint, by its path below the volume.

    Attributes:
        sha256: Of the file; of a checkpoint's manifest, which holds those of its files.
    """

    path: str
    sha256: str
    step: int = 0


@dataclass(frozen=True)
class Ending:
    """How an attempt ended; written whole at every end.

    Attributes:
        step: The last step that is known.
        target_step: How many there are; None where nothing says it.
        failure: Why it ended early; None when it did not.
        numbers: Everything measured: of the result, and the last value of each number in the rows;
            ``loss_first`` and ``loss_final`` besides.
        about: What the result says in words, such as a device.
        gates: What they gave; empty before the end.
        checkpoint: The newest valid one.
        samples: The newest file below ``samples/``.
        seconds: Of hardware, all attempts together.
        attempt_seconds: Of this attempt.
        steps_per_second: Of this attempt; None where it made no step.
        device: The GPU that was really there, or the processor.
        python: Version of the interpreter that the script was started with, where it is one.
        started: When the first attempt began, ISO 8601 in UTC; `ended` when this one ended.
        log_tail: The last lines that the script said, when it failed.
    """

    key: str
    name: str
    status: Status
    step: int
    target_step: int | None
    attempts: int
    seconds: float
    started: str
    ended: str
    failure: Failure | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[Verdict, ...] = ()
    checkpoint: Reference | None = None
    samples: Reference | None = None
    attempt_seconds: float = 0.0
    steps_per_second: float | None = None
    device: str = ""
    gpu: str = ""
    python: str = ""
    platform: str = ""
    log_tail: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it reached its end and every gate holds."""
        return self.status == "completed" and all(gate.passed for gate in self.gates)

    def judged(self, gates: tuple[Gate, ...]) -> "Ending":
        """The same, with what these gates give; an end that was not reached is not judged."""
        if self.status != "completed":
            return self
        verdicts = tuple(gate.verdict(self.numbers) for gate in gates)
        return dataclasses.replace(self, gates=verdicts)

    def to_json(self) -> str:
        """The text of ``verdict.json``; a number that is not finite is null: JSON has none."""
        content = _plain({"format": FORMAT, **dataclasses.asdict(self)})
        return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes | str, where: str = "verdict.json") -> "Ending":
        """The ending in a file.

        Raises:
            CheckpointError: It cannot be understood.
        """
        try:
            return _ending(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{where} cannot be read: {error}",
                fix=f"rm {where}; checkpoints are kept, and the next run continues from them",
                code="damaged_record",
            ) from error


def _ending(stored: dict[str, Any]) -> Ending:
    if stored.pop("format", None) != FORMAT:
        raise ValueError("it is of another version")
    failure, checkpoint, samples = stored["failure"], stored["checkpoint"], stored["samples"]
    if failure is not None:
        failure = Failure(**{**failure, "failure_class": FailureClass(failure["failure_class"])})
    return Ending(
        **{
            **stored,
            "failure": failure,
            "numbers": {name: _number(value) for name, value in stored["numbers"].items()},
            "gates": tuple(_verdict(each) for each in stored["gates"]),
            "checkpoint": None if checkpoint is None else Reference(**checkpoint),
            "samples": None if samples is None else Reference(**samples),
            "log_tail": tuple(stored["log_tail"]),
        }
    )


def _verdict(stored: dict[str, Any]) -> Verdict:
    numbers = {name: _number(stored[name]) for name in ("threshold", "value")}
    return Verdict(**{**stored, **numbers})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
