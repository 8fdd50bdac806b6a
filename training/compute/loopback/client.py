"""Finding, starting and steering a control plane from another process."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import Unreachable
from training.store.lock import is_held

__all__ = ["ControlPlane", "ensure", "find"]

START_SECONDS = 30.0
_PACKAGE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that runs, and how to reach it."""

    root: Path
    pid: int
    server: str
    control: str
    token_id: str
    token_secret: str

    def environment(self) -> Mapping[str, str]:
        """What the modal client has to find in its environment to come here and nowhere else."""
        return {
            "MODAL_SERVER_URL": self.server,
            "MODAL_TOKEN_ID": self.token_id,
            "MODAL_TOKEN_SECRET": self.token_secret,
            "MODAL_CONFIG_PATH": os.devnull,
            "MODAL_ENVIRONMENT": "main",
            "NO_PROXY": "127.0.0.1",
        }

    def do(self, what: str, **details: Any) -> dict[str, Any]:
        """Ask for a fault or another change; the state of now.

        Raises:
            Unreachable: It is gone.
        """
        request = urllib.request.Request(  # noqa: S310 - an address of 127.0.0.1
            self.control,
            data=json.dumps({"do": what, **details}).encode(),
            headers={"X-Loopback-Secret": self.token_secret},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                state: dict[str, Any] = json.load(answer)
        except OSError as error:
            raise Unreachable(
                f"the loopback control plane in {self.root} did not answer: {error}",
                fix=f"the log: {self.root}/server.log",
                code="loopback_unreachable",
            ) from error
        return state


def find(root: Path) -> ControlPlane | None:
    """The control plane that serves a directory, when one does."""
    if not is_held(root / "lock"):
        return None
    try:
        found = json.loads((root / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return ControlPlane(root=root, **found)


def ensure(root: Path, *options: str, python: str = sys.executable) -> ControlPlane:
    """The control plane of a directory, started when none serves it.

    Args:
        root: The directory.
        options: More words for ``python -m training.compute.loopback serve``.
        python: The interpreter it runs in, and from which its images are made.

    Raises:
        Unreachable: It does not start.
    """
    root = root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + START_SECONDS
    process: subprocess.Popen[bytes] | None = None
    while time.monotonic() < until:
        found = find(root)
        if found is not None:
            return found
        if process is None or process.poll() is not None:
            process = _start(root, options, python)
        time.sleep(0.05)
    raise Unreachable(
        f"the loopback control plane in {root} does not start",
        fix=f"its log: {root}/server.log",
        code="loopback_unreachable",
    )


def _start(root: Path, options: tuple[str, ...], python: str) -> "subprocess.Popen[bytes]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    path = os.pathsep.join(filter(None, [str(_PACKAGE), clean.get("PYTHONPATH", "")]))
    words = ("-m", "training.compute.loopback", "serve", "--state", str(root), *options)
    with (root / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [python, "-P", *words],  # no folder it stands in is searched for modules
            cwd=root,
            env={**clean, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the run that needed it first
        )
    # when it ends before us, somebody has to wait for it
    threading.Thread(target=process.wait, name="reap loopback", daemon=True).start()
    return process
