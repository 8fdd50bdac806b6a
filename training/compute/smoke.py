"""Two training steps on synthetic cats: the smallest proof that everything is there."""

from itertools import islice
from pathlib import Path

from training.data.prepare import prepare
from training.data.synthetic import portraits
from training.key_parts import spec_of
from training.learn.config import resolve
from training.store.directory import TrainingDirectory

__all__ = ["two_steps"]

STEPS = 2
PHOTOS = 8


def two_steps(volume: str) -> dict[str, float]:
    """Prepare a few synthetic cats in ``volume`` and train the smallest model on them.

    Raises:
        RuntimeError: The steps were not taken.
    """
    from training.script.train import train  # noqa: PLC0415 - torch is imported where it is used

    root = Path(volume)
    config = resolve("dit", "smoke", steps=STEPS, batch=4, sample_steps=1, warmup_steps=0)
    manifest = prepare(_photos(root / "photos", config.image_size), root, config.image_size)
    spec = spec_of(config, manifest)
    TrainingDirectory.local(root, spec.key).write_spec(spec)
    result = train(root, spec.key)
    if result.status != "completed" or result.step != STEPS:
        raise RuntimeError(f"{result.status} at step {result.step}: {result.failure}")
    return {"steps": result.step, "loss": result.metrics["loss"]}


def _photos(folder: Path, size: int) -> Path:
    from PIL import Image  # noqa: PLC0415 - only here, and the proof is that it is there

    folder.mkdir(parents=True)
    for number, (pixels, breed) in enumerate(islice(portraits(size), PHOTOS)):
        Image.fromarray(pixels).save(folder / f"{breed}_{number}.png")
    return folder
