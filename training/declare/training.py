"""`Training`: what a user writes of one training, in about fifteen lines.

```
char_lm = Training(
    "char_lm",
    settings=Settings,
    command="python train_lm.py --steps {steps} --lr {lr}",
    source=["train_lm.py", "input.txt"],
    requirements=["torch==2.13.0"],
    gpu="A10G",
    gates=[Gate("val_loss", "<=", 3.0)],
)
```
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.declare.check_shapes import check_shapes
from training.declare.checks import LONGEST, check
from training.declare.place import Place, place_of_caller
from training.declare.prepare import Prepare
from training.runner.bucket import Bucket
from training.runner.keep import Keep

if TYPE_CHECKING:
    from pydantic import BaseModel

    from training.runner.gates import Gate
    from training.runner.order import Metrics, Results

__all__ = ["LONGEST", "Training"]

_TARGET: Final = "steps"
"""The setting that says how many steps there are, where nothing is said and there is one."""


@dataclass(frozen=True, eq=False)
class Training:
    """A declared job that trains. Everything wrong in it is an error when it is made.

    What can change a weight is in its key: `command`, `settings`, `source`, `requirements`, `apt`,
    `python`, `env`, `data` and `init`. Nothing else is, so that another GPU, another gate or
    another name is the same training. Two are equal only if they are one.

    Attributes:
        name: What it is called: an identifier. Its facts, actions and goal are called
            after it.
        command: What is started: a text that is split into words as a shell would, then filled in;
            or the words. ``{steps}`` is the setting of that name; ``{run_dir}``, ``{resume}``,
            ``{data_dir}`` and ``{init}`` are what the contract says. A word that one of these
            leaves empty goes, and the flag before it.
        settings: A pydantic model: what a user may set as ``key=value``, each with a default.
        source: Files, folders and globs that the command is made of, relative to the file that
            declares; shipped, and their bytes are in the key.
        requirements: Pins such as ``torch==2.13.0``; or the name of a requirements.txt or uv.lock.
        data: A folder (its content is in the key), a `Prepare`, a `Bucket`, or a training, whose
            ``output/`` below its run directory is the data. It is ``$GOAP_DATA_DIR``.
        init: A training whose best checkpoint this one begins with: ``$GOAP_INIT``, a directory.
        gpu: Name and count, such as ``A10G`` or ``H100:8``; several in order of preference.
        nodes: Machines at once, each with this hardware; the script finds ``MASTER_ADDR``,
            ``NODE_RANK`` and the like, which ``torchrun`` reads by itself.
        cpu: Cores.
        memory: Megabytes.
        timeout: Seconds after which one call ends at the latest; the training goes on with the
            next one. At most a day.
        region: Where it runs.
        secrets: Names of secrets of the platform, whose variables the script gets.
        env: Variables of the environment that the script gets.
        apt: Packages of the system in the image.
        python: Version of the interpreter in the image. On this machine, where nothing is
            installed, any does that holds the requirements; the verdict says which it was.
        tags: Names and values for whoever reads the bill; ``{key}`` is the training's key.
        target: The setting that says how many steps there are; None where nothing says it.
        smoke: Settings of the proof in the image, such as ``{"steps": 2}``.
        micro_batch: The setting that is halved when memory does not suffice; not in the key.
        learning_rate: The setting that is halved when the loss is not finite any more.
        how: More settings that change no weight, such as a number of threads; not in the key.
        beside: Files that are shipped too and change no weight, such as an evaluation; not in the
            key.
        gates: What the result is judged by.
        keep: Which checkpoints stay.
        retry_exit_codes: Exit codes of the script after which trying again may help.
        checkpoints: A glob below the run directory, such as ``checkpoint-*``; the number in a name
            is the step. None: ``checkpoints/step-*``, each whole once it has its name.
        complete: A file in a checkpoint whose presence means that it is whole.
        metrics: Where rows are, when the script writes no ``metrics.jsonl``.
        result: Where the result is, when the script writes no ``result.json``.
        goal: What its goal is called; None: its name and ``_trained``.
        description: What the goal says of itself; None: made of the name.
        shell: Whether the command is read by a shell; it is one text then.
        root: The folder that names are relative to; None: that of the file that declares.
        place: Where it is declared.

    Raises:
        DeclarationError: Something makes no sense; the message has file and line.
    """

    name: str
    _: KW_ONLY
    command: str | Sequence[str]
    settings: type[BaseModel] | None = None
    source: str | Sequence[str] = ()
    requirements: str | Sequence[str] = ()
    data: str | Path | Prepare | Bucket | Training | None = None
    init: Training | None = None
    gpu: str | Sequence[str] | None = None
    nodes: int = 1
    cpu: float | None = None
    memory: int | None = None
    timeout: int = LONGEST
    region: str | None = None
    secrets: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    apt: Sequence[str] = ()
    python: str = "3.11"
    tags: Mapping[str, str] = field(default_factory=dict)
    target: str | None = _TARGET
    smoke: Mapping[str, object] = field(default_factory=dict)
    micro_batch: str | None = None
    learning_rate: str | None = None
    how: Sequence[str] = ()
    beside: str | Sequence[str] = ()
    gates: Sequence[Gate] = ()
    keep: Keep = field(default_factory=Keep)
    retry_exit_codes: Sequence[int] = ()
    checkpoints: str | None = None
    complete: str = ""
    metrics: Metrics | None = None
    result: Results | None = None
    goal: str | None = None
    description: str | None = None
    shell: bool = False
    root: Path | str | None = None
    place: Place = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = place_of_caller(__name__)
        object.__setattr__(self, "place", place)
        check_shapes(self)
        # a copy that is made elsewhere is made of the same files
        object.__setattr__(self, "root", Path(os.path.normpath(place.folder / (self.root or ""))))
        if self.target == _TARGET and _TARGET not in self.setting_names:
            object.__setattr__(self, "target", None)
        check(self)

    @property
    def where(self) -> str:
        """``FILE:LINE`` of the declaration."""
        return str(self.place)

    @property
    def goal_name(self) -> str:
        """What its goal is called."""
        return self.goal or f"{self.name}_trained"

    @property
    def folder(self) -> Path:
        """What names in the declaration are relative to."""
        return Path(self.root or "")

    @property
    def setting_names(self) -> tuple[str, ...]:
        """The settings that it declares."""
        # whatever was said: what is no model is refused by its name
        kind = self.settings if isinstance(self.settings, type) else None
        return tuple(getattr(kind, "model_fields", ()))

    @property
    def not_in_key(self) -> frozenset[str]:
        """The settings that change no weight."""
        return frozenset({*self.how, *([self.micro_batch] if self.micro_batch else [])})

    @property
    def apart(self) -> tuple[Path, ...]:
        """What is no part of the source although it lies in a folder of it: the data."""
        data = self.data
        return (self.folder / data,) if isinstance(data, str | Path) else ()
