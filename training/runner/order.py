"""An order: everything a runner has to know of one training, kept as ``spec.json`` (format 2)."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from training.errors import ConfigError
from training.key import KeyParts, training_key
from training.runner.bucket import Bucket
from training.runner.gates import Gate
from training.runner.keep import Keep
from training.store.layout import CHECKPOINTS_PATTERN

__all__ = [
    "FORMAT",
    "Checkpoints",
    "Init",
    "Metrics",
    "Order",
    "Results",
    "damaged_order",
    "read_order",
]

FORMAT: Final = 2


@dataclass(frozen=True)
class Checkpoints:
    """Where a script's checkpoints are, below its run directory.

    Attributes:
        pattern: A glob; the last number in a name is the step.
        complete: A file in it whose presence means whole; empty: the name is given when it is.
    """

    pattern: str = CHECKPOINTS_PATTERN
    complete: str = ""


@dataclass(frozen=True)
class Metrics:
    """Where the rows of a script that writes no ``metrics.jsonl`` are.

    Attributes:
        file: A file of JSON lines (``*.jsonl``) or a table (``*.csv``) below the run directory.
        log: A regular expression over what the script prints, with a group ``step`` and one group
            per number, such as ``(?P<loss>…)``. Either this or `file`.
        columns: The name of a number to its name in the file; all of them under their own names
            where it is empty. ``step`` and ``loss`` may be renamed here too.
    """

    file: str = ""
    log: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Where the result of a script that writes no ``result.json`` is.

    Attributes:
        file: A JSON file below the run directory that holds an object.
        names: The name of a number to its name in the file, with dots for objects in objects; all
            of them under their own names where it is empty.
    """

    file: str
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Init:
    """The checkpoint of another training that this one begins with.

    Attributes:
        training: Its key.
        checkpoint: The directory, below the volume.
        digest: The sha256 of its manifest.
    """

    training: str
    checkpoint: str
    digest: str


@dataclass(frozen=True)
class Order:
    """One training, as it is started.

    Attributes:
        key: The training key, which is the digest of `parts`.
        name: What it is called.
        parts: Everything that can change a weight.
        settings: All values that the command is given, those too that are not in the key.
        command: Words with placeholders; one text where `shell` is true.
        target: The setting that says how many steps there are; None where nothing does.
        micro_batch: The setting that is halved when memory does not suffice.
        learning_rate: The setting that is halved when the loss is not finite.
        label: What a person calls the data.
        data_path: The directory of the data, below the volume; empty without, or in a bucket.
        bucket: Where the data is instead; None: on the volume, or there is none.
        init: What the first weights are; None where they are drawn.
        checkpoints: Where they are.
        metrics: Where rows are, of a script that does not keep the contract.
        result: Where the result is, of such a script.
        gates: What the result is judged by.
        keep: Which checkpoints stay.
        retry_exit_codes: Exit codes after which trying again may help.
        image: Fingerprint of the image.
        earlier: Of a version that kept no source, and perhaps made keys otherwise: neither can be
            compared, and it goes on with the source of now.
    """

    key: str
    name: str
    parts: KeyParts
    settings: Mapping[str, Any]
    command: tuple[str, ...]
    shell: bool = False
    target: str | None = None
    micro_batch: str | None = None
    learning_rate: str | None = None
    label: str = ""
    data_path: str = ""
    bucket: Bucket | None = None
    init: Init | None = None
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    metrics: Metrics | None = None
    result: Results | None = None
    gates: tuple[Gate, ...] = ()
    keep: Keep = field(default_factory=Keep)
    retry_exit_codes: tuple[int, ...] = ()
    image: str = ""
    earlier: bool = False

    def _is_what_its_key_says(self) -> bool:
        values = self.parts.settings.items()
        same = all(self.settings.get(name) == value for name, value in values)
        return same and training_key(self.parts) == self.key

    @property
    def data(self) -> str:
        """Digest of the data; empty without."""
        return self.parts.data

    @property
    def target_step(self) -> int | None:
        """How many steps there are; None where nothing says it."""
        value = self.settings.get(self.target) if self.target else None
        return value if isinstance(value, int) else None

    def to_json(self) -> str:
        """The text of ``spec.json``."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        if self.bucket is None:
            del content["bucket"]  # what has none is read by versions that knew of none
        return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes | str, where: str = "spec.json") -> "Order":
        """The order in a file.

        Raises:
            ConfigError: It is no order, or not the one that its key was made of.
        """
        try:
            order = _order(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged_order(where, error) from error
        if not order.earlier and not order._is_what_its_key_says():
            raise ConfigError(
                f"{where} is not what key {order.key} was made of",
                fix=f"rm {where}; the next run writes it again",
                code="damaged_record",
            )
        return order


def damaged_order(where: str, why: object) -> ConfigError:
    """The error that says that an order cannot be understood."""
    return ConfigError(
        f"{where} cannot be read: {why}",
        fix=f"rm {where}; the next run writes it again",
        code="damaged_record",
    )


def read_order(path: Path) -> Order:
    """The order at a path.

    Raises:
        ConfigError: There is none, or it cannot be understood.
    """
    try:
        return Order.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", fix="run the goal again: it writes it"
        ) from error


def _order(stored: dict[str, Any]) -> Order:
    """The order of parsed JSON; an unknown or a missing name is an error."""
    if stored.pop("format", None) != FORMAT:
        raise ValueError("it is of another version")
    parts = dict(stored.pop("parts"))
    for name in ("command", "requirements", "apt"):
        parts[name] = tuple(parts[name])
    return Order(
        **{
            **stored,
            "parts": KeyParts(**parts),
            "command": tuple(stored["command"]),
            "bucket": _made(Bucket, stored.get("bucket")),
            "init": _made(Init, stored["init"]),
            "checkpoints": Checkpoints(**stored["checkpoints"]),
            "metrics": _made(Metrics, stored["metrics"]),
            "result": _made(Results, stored["result"]),
            "gates": tuple(Gate(**gate) for gate in stored["gates"]),
            "keep": Keep(**stored["keep"]),
            "retry_exit_codes": tuple(stored["retry_exit_codes"]),
        }
    )


def _made(kind: Any, stored: dict[str, Any] | None) -> Any:
    return None if stored is None else kind(**stored)
