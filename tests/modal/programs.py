"""Programs of a test: our source with a change in it, and our command line, as processes."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import ROOT, Client

from training.compute.loopback.client import ControlPlane


def copy_of_the_source(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "training", tmp_path / "training", ignore=ignore)
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    return tmp_path


def run(plane: ControlPlane, where: Path, code: str, *words: str, **given: str) -> tuple[str, str]:
    """Run a program with a copy of the source; what it printed, and what it complained about."""
    reach = {**plane.environment(), "PYTHONPATH": path_with(where)}
    environment = {**os.environ, **reach, **given}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr


def build(client: Client, where: Path, volume: str = "goap-training") -> tuple[str, str]:
    """Build and prove the image from a copy of the source; what was said."""
    code = (
        "import threading\n"
        "from training.compute.modal.compute import ModalCompute\n"
        "from training.compute.modal.volume import ModalVolume\n"
        "from training.own import own_recipe, own_source, smoke_of\n"
        f"compute = ModalCompute(ModalVolume({volume!r}), name='loopback')\n"
        "recipe, source = own_recipe(), own_source()\n"
        "print(compute.prove(recipe, smoke_of(source), source, print, threading.Event()))"
    )
    return run(client.plane, where, code)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def goap(plane: ControlPlane | None, where: Path, *words: str, **given: str) -> Ended:
    """Our command line in a folder; with a control plane, ``compute=modal`` reaches that one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    reach: dict[str, Any] = {} if plane is None else dict(plane.environment())
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "agents", *words],
        cwd=where,
        env={**clean, **reach, "PYTHONPATH": path_with(ROOT), **given},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def path_with(where: Path) -> str:
    """Where modules are looked for, with `where` first."""
    return os.pathsep.join(filter(None, [str(where), os.environ.get("PYTHONPATH", "")]))
