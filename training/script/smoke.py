"""`python -m training.script.smoke`: the proof that everything is there to train with.

Every module that the script may import is imported, a few cats are drawn, and steps are made.
"""

import importlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from training.contract import Run, run

__all__ = ["main"]

PHOTOS = 8
_PACKAGE = Path(__file__).resolve().parents[1]


def main() -> int:
    """Make the steps that the settings ask for, and return the exit code."""
    hide_the_rest(run.settings.get("requirements", ()))
    count = _import_all()
    sys.stdout.write(f"{count} modules imported\n")
    from training.data.prepare import prepare  # noqa: PLC0415 - after what may be missing
    from training.learn.config import resolve  # noqa: PLC0415 - likewise
    from training.script.script import run_script  # noqa: PLC0415 - likewise
    from training.store.directory import dataset_name  # noqa: PLC0415 - likewise

    steps = int(run.settings.get("steps", 2))
    config = resolve("dit", "smoke", steps=steps, batch=4, sample_steps=1, warmup_steps=0)
    volume = run.directory / "smoke"
    manifest = prepare(_photos(volume / "photos", config.image_size), volume, config.image_size)
    settings = volume / "settings.json"
    settings.write_text(config.model_dump_json(), encoding="utf-8")
    os.environ["GOAP_SETTINGS"] = str(settings)
    os.environ["GOAP_DATA_DIR"] = str(volume / dataset_name(manifest.digest))
    code = run_script(Run())
    result = run.directory / "result.json"
    if code == 0 and result.exists():
        sys.stdout.write(f"{json.loads(result.read_bytes())['step']} steps made\n")
    return code


class Only:
    """A finder that finds what may be imported, and nothing that is installed beside it.

    Args:
        finder: What finds.
        names: What it may find, at the top.
    """

    def __init__(self, finder: Any, names: frozenset[str]) -> None:
        self._finder, self._names = finder, names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As a finder of Python."""
        top = name.partition(".")[0]
        if top in self._names or top.startswith("_sysconfigdata"):
            return self._finder.find_spec(name, path, target)
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def hide_the_rest(requirements: Sequence[str]) -> None:
    """Let nothing be imported but the standard library, this package, and what is required."""
    held, waiting = set[str](), list(requirements)
    while waiting:
        name = _normal(waiting.pop())
        with suppress(importlib.metadata.PackageNotFoundError):
            needed = importlib.metadata.distribution(name).requires or ()
            names = (re.split(r"[ ;\[<>=!~(]", each, maxsplit=1)[0] for each in needed)
            waiting += [] if name in held else names
            held.add(name)
    installed = importlib.metadata.packages_distributions()
    top = {m for m, names in installed.items() if {_normal(each) for each in names} & held}
    allowed = frozenset({"training", "sitecustomize", *top, *sys.stdlib_module_names})
    sys.meta_path[:] = [Only(finder, allowed) for finder in sys.meta_path]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _import_all() -> int:
    """Import every module that lies here; how many there are."""
    names = []
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = path.relative_to(_PACKAGE).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(("training", *parts)).removesuffix(".__init__"))
    for name in names:
        importlib.import_module(name)
    return len(names)


def _photos(folder: Path, size: int) -> Path:
    from PIL import Image  # noqa: PLC0415 - only here, and the proof is that it is there

    from training.data.synthetic import portraits  # noqa: PLC0415 - likewise

    folder.mkdir(parents=True, exist_ok=True)
    for number, (pixels, breed) in enumerate(islice(portraits(size), PHOTOS)):
        Image.fromarray(pixels).save(folder / f"{breed}_{number}.png")
    return folder


if __name__ == "__main__":
    sys.exit(main())
