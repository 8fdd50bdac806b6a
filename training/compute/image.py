"""The training image, and the proof that nothing is missing from it.

What a container holds is `training/` and `REQUIREMENTS`, nothing else. The proof: a clean
interpreter that sees only a copy of `training/` and those requirements imports every module and
takes two training steps. It is written to ``<volume>/images/<fingerprint>.json``.

The client's side of Modal (``compute/modal/``) and the control plane (``compute/loopback/``) never
run inside the image, nor do the trackers (``track/``): the proof leaves these rooms out.
"""

import hashlib
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import INSTALL, ImageError, Interrupted
from training.key import digest_of_files
from training.store.directory import proof_name
from training.store.durable import write_whole

__all__ = [
    "PYTHON",
    "REQUIREMENTS",
    "Proof",
    "fingerprint",
    "modules",
    "pins",
    "prove",
    "read_proof",
    "requirements",
]

REQUIREMENTS = ("torch", "numpy", "pillow", "safetensors", "pydantic")
"""What training needs to run; everything else it imports comes with these."""

PYTHON = "3.11"
"""The version that our own models are declared with, wherever they are trained."""

RECIPE = "1"
"""Part of the fingerprint: raise it when the way the proof is made changes."""

STEPS = 2
POLL_SECONDS = 0.1
_PACKAGE = Path(__file__).resolve().parents[1]
_CONSTRAINTS = _PACKAGE.parent / "constraints.txt"
_NOT_INSIDE = ("compute/modal", "compute/loopback", "track")

# Runs in the clean interpreter. The finders are wrapped, so that what is installed beside the
# requirements, such as the client's own packages, is not found there.
_PROGRAM = """
import json, sys, importlib
asked = json.loads(sys.argv[1])
allowed = set(asked["allowed"]) | set(sys.stdlib_module_names)
class Only:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed or top.startswith("_sysconfigdata"):
            return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Only(finder) for finder in sys.meta_path]
sys.path.insert(0, asked["copy"])
for name in asked["modules"]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        sys.exit(f"{name}: {error}")
from training.compute.smoke import two_steps
print(json.dumps(two_steps(asked["volume"])))
"""


class Proof(BaseModel):
    """That an image works: what was imported and what two steps gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    modules: int
    steps: int
    loss: float
    seconds: float
    python: str
    requirements: dict[str, str]
    created: str

    def described(self) -> str:
        """The proof in words."""
        return (
            f"image {self.fingerprint[:12]}: {self.modules} modules imported, "
            f"{self.steps} steps taken, in a clean Python {self.python}"
        )


def requirements() -> dict[str, str]:
    """Name → version of every distribution the image holds, requirements of requirements included.

    Raises:
        ImageError: A requirement is not installed here.
    """
    found: dict[str, str] = {}
    waiting = list(REQUIREMENTS)
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in REQUIREMENTS:
                raise ImageError(f"{name} is not installed", fix=INSTALL) from None
            continue  # asked for on another platform or by an extra
        found[name] = distribution.version
        waiting += [
            re.split(r"[ ;\[<>=!~(]", line, maxsplit=1)[0]
            for line in distribution.requires or ()
            if "extra ==" not in line
        ]
    return dict(sorted(found.items()))


def pins(constraints: Path = _CONSTRAINTS) -> tuple[str, ...]:
    """``name==version`` of each of `REQUIREMENTS`: as pinned, or as installed where no pins are.

    Raises:
        ImageError: A requirement is neither pinned nor installed here.
    """
    versions = dict(re.findall(r"(?m)^\s*([\w.-]+)==([^\s;#+]+)", _text(constraints)))
    pinned = {_normal(name): version for name, version in versions.items()}
    return tuple(f"{name}=={pinned.get(name) or _installed(name)}" for name in sorted(REQUIREMENTS))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _installed(name: str) -> str:
    try:
        # "2.13.0+cpu" is 2.13.0, built for another processor
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        raise ImageError(f"{name} is not installed", fix=INSTALL) from None


def fingerprint(root: Path = _PACKAGE) -> str:
    """64 hex digits of recipe, Python version, requirements and source."""
    # The control plane never reaches a container.
    files = [path for path in root.rglob("*.py") if "loopback" not in path.parts]
    source = digest_of_files(root, files)
    parts = [RECIPE, platform.python_version(), json.dumps(requirements()), source]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def modules(root: Path = _PACKAGE) -> list[str]:
    """Every module of `training/` that runs inside the image, by its import name, sorted."""
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        room = "/".join(parts[:-1])
        if room.startswith(_NOT_INSIDE) or parts[-1] == "__main__":
            continue
        names = parts[:-1] if parts[-1] == "__init__" else parts
        found.append(".".join(("training", *names)))
    return sorted(found)


def read_proof(volume_root: Path, digest: str) -> Proof | None:
    """The proof for this fingerprint, or None."""
    try:
        return Proof.model_validate_json((volume_root / proof_name(digest)).read_bytes())
    except (OSError, ValidationError):
        return None


def prove(
    volume_root: Path,
    *,
    source: Path = _PACKAGE,
    python: str = sys.executable,
    log: Callable[[str], None] = lambda _: None,
    cancelled: threading.Event | None = None,
) -> Proof:
    """Import every module of ``source`` in a clean interpreter and take two training steps there.

    Args:
        volume_root: Where the proof is kept.
        source: The `training/` directory to prove.
        python: The interpreter whose installed distributions are the image's.
        log: Told what is being done.
        cancelled: Ends the proof early when set.

    Raises:
        ImageError: A module is missing or does not work; the message names it.
        Interrupted: ``cancelled`` was set.
    """
    digest, names, held = fingerprint(source), modules(source), requirements()
    log(f"importing {len(names)} modules in a clean interpreter")
    began = time.monotonic()
    measured = _trained(source, names, ["training", *_top_level(held)], python, cancelled)
    proof = Proof(
        fingerprint=digest,
        modules=len(names),
        steps=measured["steps"],
        loss=measured["loss"],
        seconds=round(time.monotonic() - began, 2),
        python=platform.python_version(),
        requirements=held,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_whole((volume_root / proof_name(digest)), proof.model_dump_json(indent=2) + "\n")
    return proof


def _trained(
    source: Path,
    names: Sequence[str],
    allowed: list[str],
    python: str,
    cancelled: threading.Event | None,
) -> dict[str, Any]:
    """What a copy of `source` that trains by itself says: how many steps, and the last loss."""
    with tempfile.TemporaryDirectory(prefix="image-") as scratch:
        copy = Path(scratch) / "training"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "loopback"))
        order = {
            "copy": scratch,
            "modules": names,
            "allowed": allowed,
            "volume": str(Path(scratch) / "volume"),
        }
        output = _run([python, "-I", "-c", _PROGRAM, json.dumps(order)], cancelled)
    measured: dict[str, Any] = json.loads(output.splitlines()[-1])
    return measured


def _run(command: list[str], cancelled: threading.Event | None) -> str:
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        ) as process,
    ):
        while process.poll() is None:
            if cancelled is not None and cancelled.wait(POLL_SECONDS):
                process.kill()
                raise Interrupted("the proof of the image was stopped", fix="run the goal again")
            if cancelled is None:
                process.wait()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        if process.returncode:
            raise ImageError(
                f"the training image does not work: {lines[-1] if lines else 'no output'}",
                fix="training/ may import itself and the REQUIREMENTS of training/compute/image.py",
                code="image_incomplete",
            )
        output.seek(0)
        return output.read().decode()


def _top_level(held: dict[str, str]) -> list[str]:
    """Import names of the distributions in ``held``."""
    by_module = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, names in by_module.items()
        if {_normal(each) for each in names} & set(held)
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
