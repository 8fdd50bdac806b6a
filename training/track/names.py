"""Which trackers there are, and whether one is installed; nothing of any is imported."""

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from training.errors import ConfigError

__all__ = ["TRACKERS", "TrackerName", "require"]

TrackerName = Literal["tensorboard", "mlflow"]

TRACKERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
)
"""Name of a tracker to the modules it needs; the extra of the same name installs them."""


def require(name: str) -> None:
    """Return when everything a tracker needs is installed; nothing is imported.

    Raises:
        ConfigError: A package is missing.
    """
    missing = [module for module in TRACKERS[name] if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"track={name} needs packages that are not installed: {', '.join(missing)}",
            fix=f"pip install 'goap-modal-agents[{name}]'",
            code="tracker_missing",
        )
