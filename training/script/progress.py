"""What the log says: means over exactly the steps since the last line, and the time they took."""

import math
import time
from collections.abc import Callable

from training.learn.learner import StepReport
from training.learn.parallel import Group
from training.learn.tally import Headline, Tally


class Window:
    """The steps since the last line of metrics.

    Numbers are summed where they were computed; they are read once a line, because reading them
    waits for the GPU.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clear(clock())

    @property
    def began(self) -> float:
        """When the last line was closed, by the clock."""
        return self._began

    def _clear(self, now: float) -> None:
        self._tally: Tally | None = None
        self._steps = 0
        self._images = 0
        self._rate = 0.0
        self._began = now

    def __len__(self) -> int:
        return self._steps

    def add(self, report: StepReport) -> None:
        """Take in one step."""
        self._tally = report.tally if self._tally is None else self._tally + report.tally
        self._steps += 1
        self._images += report.images
        self._rate = report.rate

    def totals(self) -> Headline:
        """Return the mean loss, gradient norm and signal so far; NaN without a step."""
        if self._tally is None:
            return Headline(math.nan, math.nan, math.nan)
        return self._tally.headline(self._steps)

    def close(self, group: Group) -> dict[str, float]:
        """Return the means over the window and all processes, and begin the next window.

        Returns:
            `loss`, `loss_q1` to `loss_q4` (where a quarter of the noise scale was met), `lr` of the
            last step, `grad_norm`, `window` (steps), `images_per_second`, `steps_per_second`.
        """
        if self._tally is not None:
            self._tally = Tally(group.mean(self._tally.sums))
        loss, norm, _ = self.totals()
        now = self._clock()
        seconds = max(now - self._began, 1e-9)
        row = {
            "loss": loss,
            **{f"loss_q{index}": mean for index, mean in self._quarters().items()},
            "lr": self._rate,
            "grad_norm": norm,
            "window": self._steps,
        }
        row["images_per_second"] = self._images / seconds
        row["steps_per_second"] = self._steps / seconds
        self._clear(now)
        return row

    def _quarters(self) -> dict[int, float]:
        return {} if self._tally is None else self._tally.quarters()
