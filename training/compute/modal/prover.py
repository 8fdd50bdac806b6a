"""The proof that an image works, made in a container of it on a processor.

Of ours it imports only what is mounted in every container.
"""

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from training.compute.modal.mounts import mounted, mounted_bucket
from training.compute.modal.scripted import contract_package, script_environment
from training.errors import IMAGE_INCOMPLETE, TrainingError

__all__ = ["prove"]

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def prove(requirements: Sequence[str], source: str, smoke: str = "") -> dict[str, Any]:
    """Show that an image holds what is required, and that a script works in it.

    Args:
        requirements: Distributions, as pip reads them.
        source: Where the source is staged, below the volume: in ``source``, and what is shipped
            beside it in ``beside``.
        smoke: The order of a training of it that is carried to its end, or a step further.

    Returns:
        ``{"python", "requirements", "step"}``; or ``{"failed", "code", "fix"}``, all of them words.
    """
    root = mounted()
    staged = root / source
    failed = _missing(requirements) or _broken(staged / "source")
    if failed:
        return failed
    step = None
    if smoke:
        with tempfile.TemporaryDirectory() as scratch:
            carried = _carried(root, staged, Path(scratch), smoke)
        if "failed" in carried:
            return carried
        step = carried["step"]
    return {
        "python": platform.python_version(),
        "requirements": _versions(requirements),
        "step": step,
    }


def _named(requirement: str) -> str:
    found = _NAME.match(requirement.strip())
    return found[0] if found else ""


def _versions(requirements: Sequence[str]) -> dict[str, str]:
    """What is there of the requirements; one may be for another system only."""
    found = {}
    for name in filter(None, map(_named, requirements)):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _missing(requirements: Sequence[str]) -> dict[str, Any] | None:
    """What cannot be imported, of all that the requirements install themselves."""
    provided: dict[str, list[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for each in distributions:
            provided.setdefault(re.sub(r"[-_.]+", "-", each).lower(), []).append(module)
    for requirement in requirements:
        name = _named(requirement)
        modules = provided.get(re.sub(r"[-_.]+", "-", name).lower(), [])
        public = [module for module in modules if module.isidentifier() and module[0] != "_"]
        said = _import_error(public)
        if said:
            return {
                "failed": f"{requirement} cannot be imported: {said}",
                "code": IMAGE_INCOMPLETE,
                "fix": "add what is missing to requirements= or apt= of the training",
            }
    return None


def _import_error(modules: Sequence[str]) -> str:
    """Why modules cannot be imported; empty where they can, or want hardware that is not here."""
    code = f"import importlib\nfor name in {list(modules)!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=script_environment(),
        cwd=tempfile.gettempdir(),
    )
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return last if done.returncode and last.startswith(("ImportError", "ModuleNotFound")) else ""


def _broken(staged: Path) -> dict[str, Any] | None:
    """What does not compile."""
    for path in sorted(staged.rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path.relative_to(staged)), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return {
                "failed": f"the source does not compile: {error}",
                "code": "source_broken",
                "fix": "correct it, then run the same command again",
            }
    return None


def _carried(root: Path, staged: Path, scratch: Path, smoke: str) -> dict[str, Any]:
    """Carry a training on a volume that is thrown away."""
    from training.runner.call import Call  # noqa: PLC0415
    from training.runner.carry import carry  # noqa: PLC0415
    from training.runner.order import Order  # noqa: PLC0415
    from training.store.layout import LocalLayout  # noqa: PLC0415

    order = Order.from_json(smoke)
    layout = LocalLayout(scratch / "volume", order.key)
    shutil.copytree(staged / "source", layout.source_path)
    if (staged / "beside").is_dir():
        shutil.copytree(staged / "beside", layout.beside_path)
    layout.spec_path.write_text(smoke, encoding="utf-8")
    init = "" if order.init is None else order.init.checkpoint
    for name in filter(None, (order.data_path, init)):
        link = layout.root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / name)
    call = Call(
        contract=contract_package(scratch),
        environment=script_environment(),
        bucket=mounted_bucket(),
    )
    try:
        ending = carry(layout.root, order.key, call=call)
    except TrainingError as error:
        return {"failed": error.message, "code": error.code, "fix": error.fix}
    failure = ending.failure
    if failure is None or (ending.status == "interrupted" and ending.step > 0):
        return {"step": ending.step}
    tail = "".join(f"\n    {line}" for line in ending.log_tail)
    return {
        "failed": f"the smoke training failed: {failure.message}{tail}",
        "code": IMAGE_INCOMPLETE if failure.name == IMAGE_INCOMPLETE else "smoke_failed",
        "fix": failure.fix or "correct the script, then run the same command again",
    }
