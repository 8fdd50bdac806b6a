"""The names under which proven images are kept, as `modal image names` lists and deletes them.

A name is of the workspace, whatever volume a training is on: who deletes one makes the next launch
build its image from the recipe again. The client 1.5.4 lists names and cannot delete them.
"""

import json
import re
import subprocess
import sys
from datetime import datetime
from typing import Any, Final

from training.compute.port import NamedImage
from training.errors import Unreachable

__all__ = ["named_images", "remove_name"]

_OURS: Final = re.compile(r"(?:[^/]+/)?goap-[0-9a-f]{12}:([0-9a-f]{16})")
_TIMEOUT_SECONDS: Final = 60.0


def named_images() -> list[NamedImage]:
    """The names that are ours; none where the client cannot list them.

    Raises:
        Unreachable: They cannot be listed now.
    """
    done = _asked("list", "--json")
    if done.returncode and "No such command" in done.stderr:
        return []
    if done.returncode:
        raise Unreachable(
            f"the names of images cannot be listed: {done.stderr.strip()[-200:]}",
            fix="modal image names list, then run the same command again",
        )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    found = ((row, _OURS.fullmatch(str(row["tag"]))) for row in rows)
    return [
        NamedImage(str(row["tag"]), ours[1], _moment(str(row["updated_at"])))
        for row, ours in found
        if ours is not None
    ]


def remove_name(name: str) -> str:
    """Delete one name; why that could not be done, or nothing."""
    done = _asked("delete", name, "--yes")
    if done.returncode and "No such command" in done.stderr:
        return "this modal client cannot delete names; python -m pip install -U 'modal<1.7'"
    return done.stderr.strip()[-200:] if done.returncode else ""


def _moment(text: str) -> float:
    """Seconds since 1970; 0 where nobody says it."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _asked(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "modal", "image", "names", *words],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
        start_new_session=True,
        check=False,
    )
