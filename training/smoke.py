"""Two training steps on synthetic cats: the smallest proof that everything is there."""

from pathlib import Path

from training.config import resolve
from training.data.prepare import prepare
from training.result import TrainingDirectory

__all__ = ["two_steps"]

STEPS = 2


def two_steps(volume: str) -> dict[str, float]:
    """Prepare a few synthetic cats in ``volume`` and train the smallest model on them.

    Raises:
        RuntimeError: The steps were not taken.
    """
    from training.train import train  # noqa: PLC0415 - torch is imported where it is used

    root = Path(volume)
    config = resolve("dit", "smoke", steps=STEPS, batch=4, sample_steps=1, warmup_steps=0)
    manifest = prepare("synthetic", root, config.image_size)
    directory = TrainingDirectory(root, "smoke")
    directory.write_config(config, manifest.name)
    result = train(root, "smoke")
    if result.status != "completed" or result.step != STEPS:
        raise RuntimeError(f"{result.status} at step {result.step}: {result.failure}")
    return {"steps": result.step, "loss": result.metrics["loss_final"]}
