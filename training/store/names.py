"""What lies among the checkpoints of a training is called this, and nowhere else spelled.

Where a training and everything else lies is said by `training.store.directory`. What a dataset
consists of is said by `training.data.shard`, which prepares it.
"""

import re
from typing import Final

__all__ = [
    "DATA_MANIFEST_FILE",
    "EARLIER_MANIFEST_FILE",
    "MANIFEST_FILE",
    "PINS_FILE",
    "SAVED_FILE",
    "STATE_FILE",
    "STEP_PREFIX",
    "step_name",
    "step_of",
]

MANIFEST_FILE: Final = "goap-manifest.json"
"""In a checkpoint: what it holds, with the sha256 of each file. No script calls a file so."""

EARLIER_MANIFEST_FILE: Final = "manifest.json"
"""The same in checkpoints of formats 1 to 3; since then a script may call one of its files so."""

DATA_MANIFEST_FILE: Final = "manifest.json"
"""In data: the same."""

STATE_FILE: Final = "state.json"
"""In a checkpoint: what is no tensor."""

SAVED_FILE: Final = "saved.jsonl"
"""Beside them: the sha256 of every manifest that this training saved."""

PINS_FILE: Final = "pinned.json"
"""Beside them: the steps that stay."""

STEP_PREFIX: Final = "step-"
"""What the name of a checkpoint begins with, and of what pretends to be one."""

_STEP: Final = re.compile(STEP_PREFIX + r"(\d{8,})")


def step_name(step: int) -> str:
    """The directory name of a step's checkpoint; names sort as steps do.

    >>> step_name(500)
    'step-00000500'
    """
    return f"{STEP_PREFIX}{step:08d}"


def step_of(name: str) -> int | None:
    """The step that a directory is named after; None when it is no checkpoint's.

    >>> step_of("step-00000500"), step_of("saved.jsonl")
    (500, None)
    """
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else None
