"""A training shown in a tracker while its runner carries it: any training, by its rows and samples.

Called by the runner when ``--track`` asks for it, and imported by nothing else of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from training.errors import ConfigError
from training.runner.adjust import read_adjusted
from training.runner.ending import Ending
from training.runner.log import Log
from training.runner.order import Order
from training.store.layout import LocalLayout
from training.store.names import step_of
from training.track.names import TRACKERS, TrackerName, require
from training.track.tracking import Tracking, tracking_of

__all__ = ["Following", "following"]


def following(name: str) -> "Following":
    """A tracker by its name.

    Raises:
        ConfigError: There is no such one, or it is not installed.
    """
    for known in get_args(TrackerName):
        if name == known:
            require(name)
            return Following(known)
    raise ConfigError(f"there is no tracker {name}", fix=f"one of {', '.join(TRACKERS)}")


class Following:
    """Passes on what is new to a tracker, as `training.runner.call.Follower`.

    Args:
        name: The tracker.
    """

    def __init__(self, name: TrackerName) -> None:
        self._name: TrackerName = name
        self._tracking: Tracking | None = None
        self._samples = Path()
        self._shown: dict[Path, int] = {}

    def begin(
        self, order: Order, layout: LocalLayout, step: int, rows: Sequence[Mapping[str, float]]
    ) -> None:
        """As `Follower`; a rate that was lowered makes another course of the same training."""
        log = Log(layout.log_path)
        scale = read_adjusted(layout.adjustments_path).learning_rate_scale
        self._tracking = tracking_of(
            self._name,
            layout,
            order,
            f"lr_scale {scale:g}",
            say=lambda how: log.info(f"Tracking with {self._name}; look at it with: {how}"),
            warn=log.warning,
        )
        self._samples = layout.samples_path
        there = self._pictures()
        self._tracking.begin(step, rows, {at: path for at, path in there.items() if at <= step})

    def look(self, rows: Sequence[Mapping[str, float]]) -> None:
        """As `Follower`."""
        if self._tracking is None:
            return
        for row in rows:
            self._tracking.row(row)
        for step, path in self._pictures().items():
            self._tracking.picture(step, path)

    def end(self, ending: Ending) -> None:
        """As `Follower`."""
        self.look([])
        if self._tracking is not None:
            self._tracking.end(ending)

    def _pictures(self) -> dict[int, Path]:
        """The pictures that were not shown yet as they are, by step."""
        new: dict[int, Path] = {}
        for path in sorted(self._samples.glob("*.png")):
            step, changed = step_of(path.stem), path.stat().st_mtime_ns
            if step is not None and self._shown.get(path) != changed:
                self._shown[path] = changed
                new[step] = path
        return new
