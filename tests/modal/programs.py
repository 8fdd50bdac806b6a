"""Programs of a test: our command line, as processes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT, Forked

from training.compute.loopback.client import ControlPlane

MOST_MEMORY = """
from pathlib import Path
lines = Path("/proc/self/status").read_text().splitlines()
(most,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
print(int(most) // 1024)
"""
"""Prints the megabytes that a process took at most. What the system says of its resources counts
the memory of whoever started it too: it is begun in that one's."""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


GOAP = "import sys\nfrom agents.__main__ import main\nsys.exit(main())"


def goap(plane: ControlPlane | None, where: Path, *words: str, **given: str) -> Ended:
    """Our command line in a folder; with a control plane, ``compute=modal`` reaches that one."""
    return program(GOAP, plane, where, *words, **given)


def program(code: str, plane: ControlPlane | None, where: Path, *words: str, **given: str) -> Ended:
    """A program, forked: begun at once."""
    place, began = Path(tempfile.mkdtemp(prefix="said-")), time.monotonic()
    process = Forked(place, code, words, where, _reach(plane) | given)
    try:
        out, err = process.communicate()
        ended = process.returncode
    finally:
        process.close()
        shutil.rmtree(place)
    assert ended is not None
    return Ended(ended, out, err, time.monotonic() - began)


def cold_goap(plane: ControlPlane | None, where: Path, *words: str, **given: str) -> Ended:
    """Our command line as a person starts it, with all that it imports."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "agents", *words],
        cwd=where,
        env=_reach(plane) | given,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def _reach(plane: ControlPlane | None) -> dict[str, str]:
    """The environment; nothing of it reaches another control plane, or the cloud."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    reach = {} if plane is None else dict(plane.environment())
    return {**clean, **reach, "PYTHONPATH": path_with(ROOT)}


def path_with(where: Path) -> str:
    """Where modules are looked for, with `where` first."""
    return os.pathsep.join(filter(None, [str(where), os.environ.get("PYTHONPATH", "")]))
