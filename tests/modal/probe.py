"""An app without torch: what a container may meet, as functions that take a second."""

import os
import time
from pathlib import Path
from typing import Any

import modal
import modal.exception

app = modal.App("probe")
volume = modal.Volume.from_name("probe", create_if_missing=True)
image = modal.Image.debian_slim(python_version="3.11")
ROOT = Path(os.environ.get("GOAP_CONTAINER_ROOT", "/"), "data")
WHERE = {"image": image, "volumes": {"/data": volume}, "single_use_containers": True}


def _attempt(name: str) -> int:
    """How often this was begun, counted on the volume."""
    path = ROOT / f"{name}.attempts"
    number = int(path.read_text(encoding="utf-8")) + 1 if path.exists() else 1
    path.write_text(str(number), encoding="utf-8")
    volume.commit()
    return number


@app.function(**WHERE)
def look() -> dict[str, Any]:
    """What a container sees of itself."""
    import importlib.util
    import sys

    return {
        "credentials": sorted(name for name in os.environ if "TOKEN" in name or "SECRET" in name),
        "agents": importlib.util.find_spec("agents") is not None,
        "training": importlib.util.find_spec("training") is not None,
        "torch": importlib.util.find_spec("torch") is not None,
        "call": modal.current_function_call_id(),
        "files": sorted(path.name for path in ROOT.iterdir()),
        "path": sys.path,
    }


@app.function(**WHERE)
def touch(names: list[str]) -> dict[str, Any]:
    """What files hold, of which each is made if it is not there."""
    root, seen = Path(os.environ.get("GOAP_CONTAINER_ROOT", "/")), {}
    for name in names:
        path = root / name
        if not path.exists():
            path.write_text("new", encoding="utf-8")
        seen[name] = path.read_text(encoding="utf-8")
    return seen


@app.function(**WHERE)
def write(name: str, then: str = "return") -> int:
    """Commit one file, leave another uncommitted, and end in some way."""
    number = _attempt(name)
    (ROOT / f"{name}.committed").write_text(str(number), encoding="utf-8")
    volume.commit()
    (ROOT / f"{name}.lost").write_text(str(number), encoding="utf-8")
    if then == "sleep" and number == 1:
        time.sleep(60)
    return number


@app.function(retries=modal.Retries(max_retries=2, initial_delay=1.0), **WHERE)
def fail(name: str, times: int) -> int:
    """Fail so often, then return the number of the attempt."""
    number = _attempt(name)
    if number <= times:
        raise ValueError(f"attempt {number}")
    return number


@app.function(timeout=2, startup_timeout=60, **WHERE)
def slow(name: str) -> None:
    """Take longer than allowed, and say what that felt like."""
    try:
        time.sleep(60)
    except BaseException as error:
        (ROOT / f"{name}.felt").write_text(type(error).__name__, encoding="utf-8")
        volume.commit()
        raise


@app.function(**WHERE)
def waits(name: str) -> None:
    """Wait until it is ended from outside, and say what that felt like."""
    if _attempt(name) > 1:
        return
    try:
        time.sleep(60)
    except BaseException as error:
        (ROOT / f"{name}.felt").write_text(type(error).__name__, encoding="utf-8")
        volume.commit()
        raise


@app.function(**WHERE)
def reload_open(name: str) -> str:
    """Reload while a file is open."""
    with (ROOT / name).open("w", encoding="utf-8"):
        try:
            volume.reload()
        except RuntimeError as error:
            return str(error)
    return "reloaded"


def listed() -> None:
    """Nothing."""


def holds(names: list[str]) -> dict[str, Any]:
    """Which modules an image and the interpreter on its path have, and one of its programs."""
    import importlib.util
    import json
    import shutil
    import subprocess

    code = (
        "import importlib.util, json, sys\n"
        "print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))"
    )
    child = subprocess.run(["python", "-c", code, *names], check=True, capture_output=True)
    program = shutil.which("hypothesis") or ""
    return {
        "modules": [name for name in names if importlib.util.find_spec(name)],
        "in a child": json.loads(child.stdout),
        "program": Path(program).name,
    }
