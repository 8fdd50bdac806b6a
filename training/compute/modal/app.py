"""The Modal app: the image, the volume, and two functions in it.

`smoke` (CPU) proves the image before a GPU is asked for; `train` runs one slice of a training.
Importing this module takes the standard library and the modal client and nothing else, so that
a machine that only deploys needs neither torch nor pydantic.

Checked with the real client; no cloud can be reached from where this was written.
"""

import os
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import modal
import modal.exception

from training.compute.modal.entering import MOUNT, TIMEOUT_SECONDS, enter, longest_slice, mounted

__all__ = [
    "APP_NAME",
    "PINNED",
    "VOLUME_NAME",
    "app",
    "declare",
    "image_fingerprint",
    "pins",
    "recipe",
]

APP_NAME: Final = "goap-training"
VOLUME_NAME: Final = os.environ.get("GOAP_MODAL_VOLUME", "goap-training")
GPU: Final = os.environ.get("GOAP_MODAL_GPU", "A10G")
PINNED: Final = (
    "annotated-types",
    "filelock",
    "fsspec",
    "jinja2",
    "markupsafe",
    "mpmath",
    "networkx",
    "numpy",
    "pillow",
    "pydantic",
    "pydantic-core",
    "safetensors",
    "sympy",
    "torch",
    "typing-extensions",
    "typing-inspection",
)
"""What `training/` needs and what that needs; versions come from constraints.txt."""

_PYTHON: Final = "3.11"
_PACKAGE: Final = Path(__file__).resolve().parents[2]
_CONSTRAINTS: Final = next(
    # a wheel holds the pins inside of the package; in a clone they lie at the top
    (path for path in (_PACKAGE / "constraints.txt",) if path.exists()),
    _PACKAGE.parent / "constraints.txt",
)
_RECIPE: Final = "debian_slim/uv_pip_install/1"


def pins(constraints: Path = _CONSTRAINTS) -> list[str]:
    """``name==version`` of everything in the image, sorted.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It does not pin one of `PINNED`.
    """
    found = {}
    for line in constraints.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*([A-Za-z0-9._-]+)==([^\s;#+]+)", line)
        if match:
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    missing = [name for name in PINNED if name not in found]
    if missing:
        raise ValueError(f"{constraints} does not pin {', '.join(missing)}")
    return [f"{name}=={found[name]}" for name in sorted(PINNED)]


def image_fingerprint(constraints: Path = _CONSTRAINTS) -> str:
    """What the image is made of, as text: a change of it is a build, a change of source is none."""
    return "\n".join([_RECIPE, _PYTHON, platform.machine(), *pins(constraints)])


def _shipped(path: Path) -> bool:
    """True for what stays on the client."""
    return path.suffix != ".py" or "loopback" in path.parts


def _recipe() -> modal.Image:
    base = modal.Image.debian_slim(python_version=_PYTHON)
    if not modal.is_local():
        return base  # inside a container the image is what it is
    return base.uv_pip_install(*pins()).env({"OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1"})


volume = modal.Volume.from_name(VOLUME_NAME, create_if_missing=True)
recipe = _recipe()


def smoke() -> dict[str, Any]:
    """Import every module and train two steps on drawn cats, in the image, without a GPU."""
    import importlib  # noqa: PLC0415

    from training.compute.image import modules  # noqa: PLC0415
    from training.compute.smoke import two_steps  # noqa: PLC0415

    names = modules()
    for name in names:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as scratch:
        return {**two_steps(scratch), "modules": len(names), "python": platform.python_version()}


def train(key: str, over: Sequence[str] = ()) -> dict[str, Any]:
    """Train `key` until its target or this slice's deadline; the volume holds the rest.

    Args:
        key: The training, whose configuration is on the volume.
        over: The calls that had this training before and are known to be over, the last one last.

    Returns:
        ``{"status", "step", "target", "call"}``, or ``{"duplicate_of": call}`` where another call
        trains the key.

    Raises:
        KeyboardInterrupt: The container is being preempted. It is raised again after saving:
            returning would turn a preempted run into a finished one.
    """
    entry = enter(key, over, volume)
    if entry.duplicate_of:
        return {"duplicate_of": entry.duplicate_of}
    try:
        return {**_slice(mounted(), key), "call": entry.call}
    finally:  # also after KeyboardInterrupt and modal.exception.InputCancellation
        volume.commit()


def declare(named: str = "") -> modal.App:
    """The app with its two functions.

    Args:
        named: A published image to use; without it the image is built from its recipe.
    """
    made = modal.App(APP_NAME)
    image = modal.Image.from_name(named) if named else recipe
    if modal.is_local():
        # last, and mounted: a change of source builds nothing
        image = image.add_local_python_source("training", ignore=_shipped)
    made.function(image=image, cpu=2.0, timeout=600, include_source=False)(smoke)
    made.function(
        image=image,
        gpu=GPU,
        volumes={MOUNT: volume},
        timeout=TIMEOUT_SECONDS,
        retries=modal.Retries(
            max_retries=2, backoff_coefficient=2.0, initial_delay=30.0, max_delay=60.0
        ),
        single_use_containers=True,
        include_source=False,
    )(train)
    return made


app = declare()


def _slice(root: Path, key: str) -> dict[str, Any]:
    from training.script.signals import StopFlag  # noqa: PLC0415
    from training.script.train import train as train_key  # noqa: PLC0415
    from training.store.adjustments import adjustments_of, read_adjustments  # noqa: PLC0415
    from training.store.directory import TrainingDirectory  # noqa: PLC0415

    execution = adjustments_of(read_adjustments(TrainingDirectory.local(root, key)))
    longest = longest_slice(TIMEOUT_SECONDS)
    flag = StopFlag(min(execution.deadline_seconds or longest, longest))
    result = train_key(root, key, execution=execution, stop=flag, after_save=volume.commit)
    if result.status == "interrupted" and (flag.reason or "").startswith("SIG"):
        raise KeyboardInterrupt(flag.reason)
    return {"status": result.status, "step": result.step, "target": result.target_step}
