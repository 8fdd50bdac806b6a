"""A training in TensorBoard: ``<volume>/trainings/<key>/tensorboard/``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from training.runner.ending import Ending
from training.runner.order import Order
from training.store.layout import LocalLayout
from training.track.tracking import Row

__all__ = ["TensorBoard"]

EVENTS = "events.out.tfevents.*"
_NO_CURVES = ("step", "time")


class TensorBoard:
    """Writes event files.

    An attempt writes the rows of the earlier ones once more and then drops their files: steps that
    are done again are in no file twice, whoever reads them.

    Args:
        layout: Where the training is.
        order: What is trained.
    """

    def __init__(self, layout: LocalLayout, order: Order) -> None:
        self._layout, self._order = layout, order
        self._path = layout.path / "tensorboard"
        self._path.mkdir(parents=True, exist_ok=True)
        self._earlier = list(self._path.glob(EVENTS))
        # A TensorBoard that is running forgets what it read from step 0 on.
        self._writer = SummaryWriter(str(self._path), purge_step=0)

    def begin(self, step: int, rows: Sequence[Row], pictures: Mapping[int, Path]) -> str:
        """As `training.track.tracking.Tracker`."""
        del step
        lines = [f"    {name}: {value}" for name, value in self._order.settings.items()]
        self._writer.add_text("config", "\n".join(lines))
        for row in rows:
            self._add(row)
        for at, path in sorted(pictures.items()):
            self.picture(at, path)
        self._writer.flush()
        for file in self._earlier:
            file.unlink(missing_ok=True)
        return f"tensorboard --logdir {self._layout.path.parent}"

    def row(self, row: Row) -> None:
        """As `training.track.tracking.Tracker`."""
        self._add(row)
        self._writer.flush()

    def _add(self, row: Row) -> None:
        for name, value in row.items():
            if name not in _NO_CURVES:
                self._writer.add_scalar(name, value, int(row["step"]), walltime=row["time"])

    def picture(self, step: int, path: Path) -> None:
        """As `training.track.tracking.Tracker`."""
        with Image.open(path) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))
        self._writer.add_image("samples", pixels, step, dataformats="HWC")

    def end(self, ending: Ending) -> None:
        """As `training.track.tracking.Tracker`."""
        gates = [
            f"    {gate.name} {'passed' if gate.passed else 'FAILED'}: "
            f"{gate.value:.4g} {gate.direction} {gate.threshold:g}"
            for gate in ending.gates
        ]
        self._writer.add_text("result", "\n".join([f"    {ending.status}", *gates]), ending.step)
        self._writer.close()
