"""What trains: a declared training, its key, its runner, where it runs; and two models of ours.

``from training import Training, Gate, Keep`` is what a job needs. Importing this package imports
nothing else, and nothing of ours but itself, so that a container holds all of it or none.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.declare.prepare import Prepare
    from training.declare.training import Training
    from training.runner.bucket import Bucket
    from training.runner.gates import Gate
    from training.runner.keep import Keep
    from training.runner.order import Metrics, Results

__all__ = ["Bucket", "Gate", "Keep", "Metrics", "Prepare", "Results", "Training"]

_PUBLIC = {
    "Bucket": "training.runner.bucket",
    "Gate": "training.runner.gates",
    "Keep": "training.runner.keep",
    "Metrics": "training.runner.order",
    "Prepare": "training.declare.prepare",
    "Results": "training.runner.order",
    "Training": "training.declare.training",
}
"""Public name → the module that has it, which is imported when the name is first used."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(importlib.import_module(_PUBLIC[name]))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
