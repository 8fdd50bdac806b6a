"""Images: named by what they are made of, built once, with only what their recipe names in them.

There is no container runtime here. An image is a virtual environment whose packages are links to
the distributions that its recipe asks for, those they need, and what the modal client itself needs,
all taken from the interpreter that runs the control plane. What this interpreter does not have in
that version fails the build, as a resolver that cannot find it would.
"""

import hashlib
import importlib.metadata
import re
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modal_proto import api_pb2

from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Image", "Images"]

_CLIENT = ("modal", "pip", "setuptools")
_TOOLS = ("pip", "uv", "wheel")
"""What the platform's own layers install for themselves."""

_ASKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?:(==|>=|<=|~=|!=|<|>)([^\s;]+))?$")
_START = """#!{python}
import sys
from {module} import {first}
sys.argv[0] = {name!r}
sys.exit({attribute}())
"""
"""A program that a distribution installs beside the interpreter, such as ``torchrun``."""


@dataclass(frozen=True)
class Image:
    """An image as it was built; `error` says why it was not."""

    identity: str
    environment: dict[str, str] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    error: str = ""


class Images:
    """Images by id and by name.

    Args:
        store: Where they are kept.
        root: Where the directories of links are made.
    """

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root
        self._fail = ""
        self._making = threading.Lock()
        self._made: set[str] = set()
        self.builds = 0

    def fail_next(self, why: str) -> None:
        """Let the next build fail."""
        self._fail = why

    def build(self, recipe: api_pb2.Image, force: bool) -> Image:
        """The image of a recipe; built when it was not built before, or failed."""
        text = recipe.SerializeToString(deterministic=True)
        identity = f"im-{hashlib.sha256(text).hexdigest()[:22]}"
        known = self._store.get("image", identity)
        if known is not None and not known["error"] and not force:
            return Image(**known)
        self.builds += 1
        built = self._build(identity, recipe)
        self._store.put("image", identity, vars(built))
        return built

    def get(self, identity: str) -> Image:
        """An image by id.

        Raises:
            GRPCError: There is none.
        """
        known = self._store.get("image", identity)
        if known is None:
            raise not_found(f"Image {identity} does not exist")
        return Image(**known)

    def publish(self, identity: str, name: str) -> None:
        """Give an image a name."""
        self._store.put("image name", name, self.get(identity).identity)
        self._store.put("image named at", name, time.time())

    def named(self, name: str) -> str:
        """The id of the image with this name.

        Raises:
            GRPCError: There is none.
        """
        known = self._store.get("image name", name)
        if known is None:
            raise not_found(f"Image {name!r} does not exist")
        return str(known)

    def published(self) -> list[tuple[str, str, float]]:
        """Name, id and when that was published, in seconds since 1970."""
        times = dict(self._store.items("image named at"))
        names = self._store.items("image name")
        return [(name, identity, times.get(name, 0.0)) for name, identity in names]

    def unpublish(self, name: str) -> bool:
        """Take a name from its image, with or without its environment; whether there was one."""
        found = [
            each for each in self.names() if each.rpartition("/")[2] == name.rpartition("/")[2]
        ]
        for each in found:
            self._store.delete("image name", each)
        return bool(found)

    def names(self) -> list[str]:
        """The names that were published."""
        return [name for name, _ in self._store.items("image name")]

    def interpreter(self, image: Image) -> Path:
        """The interpreter of an image, which finds the image's distributions and no others."""
        target = self._root / image.identity
        with self._making:
            if image.identity not in self._made:
                _make_environment(target, image.distributions)
                self._made.add(image.identity)
        return target / "bin" / "python"

    def _build(self, identity: str, recipe: api_pb2.Image) -> Image:
        if self._fail:
            why, self._fail = self._fail, ""
            return Image(identity, error=why)
        environment: dict[str, str] = {}
        distributions: dict[str, str] = {}
        for base in recipe.base_images:
            below = self.get(base.image_id)
            environment |= below.environment
            distributions |= below.distributions
        for command in recipe.dockerfile_commands:
            word, _, rest = command.strip().partition(" ")
            if word == "ENV":
                environment |= _environment(rest)
            if word == "RUN" and "pip install " in rest:
                wrong = _install(rest, distributions)
                if wrong:
                    return Image(identity, error=wrong)
        return Image(identity, environment, distributions)


def _install(command: str, distributions: dict[str, str]) -> str:
    """Add what a command asks for; what is wrong with it, or nothing."""
    words = iter(shlex.split(command.partition("pip install ")[2]))
    for word in words:
        if word.startswith("-") and "=" not in word and word != "--compile-bytecode":
            next(words, None)  # what the option says
        match = _ASKED.match(word)
        if word.startswith("-") or match is None:
            continue
        name, sign, version = match.groups()
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in _TOOLS:
                continue
            return f"no matching distribution for {word}: this interpreter has not installed it"
        if sign == "==" and here.partition("+")[0] != version.partition("+")[0]:
            return f"no matching distribution for {word}: this interpreter has {here}"
        distributions[name] = here
    return ""


def _environment(text: str) -> dict[str, str]:
    """Names and values of a line ``ENV NAME=value …``."""
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: value for name, sign, value in pairs if sign}


def _make_environment(target: Path, distributions: dict[str, str]) -> None:
    """Make a virtual environment of links, or what is missing of it."""
    binaries = target / "bin"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = target / "lib" / version / "site-packages"
    for directory in (binaries, packages):
        directory.mkdir(parents=True, exist_ok=True)
    real = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    settings = f"home = {real.parent}\ninclude-system-site-packages = false\n"
    (target / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    links = {packages / name: source for name, source in _links(distributions).items()}
    links |= {binaries / name: str(real) for name in ("python", "python3", version)}
    for link, source in links.items():
        if not link.is_symlink():
            link.symlink_to(source)
    for name, text in _programs(distributions, binaries / "python"):
        program = binaries / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)


def _links(distributions: dict[str, str]) -> dict[str, str]:
    """Name in the image → where it lies here, for distributions and what the client needs."""
    found: dict[str, str] = {}
    for name in sorted(_needs((*_CLIENT, *distributions))):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not top.endswith(".pth"):
                found[top] = str(distribution.locate_file(top))
    return found


def _programs(distributions: dict[str, str], python: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each program that the distributions install."""
    for name in sorted(_needs(tuple(distributions))):
        try:
            entries = importlib.metadata.distribution(name).entry_points
        except importlib.metadata.PackageNotFoundError:
            continue
        for entry in entries.select(group="console_scripts"):
            first = entry.attr.partition(".")[0]
            yield (
                entry.name,
                _START.format(
                    python=python,
                    module=entry.module,
                    first=first,
                    name=entry.name,
                    attribute=entry.attr,
                ),
            )


def _needs(roots: tuple[str, ...]) -> set[str]:
    """The distributions that `roots` ask for, and those ask for, and so on."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            asked = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        waiting += [
            re.split(r"[ ;\[<>=!~(]", line, maxsplit=1)[0]
            for line in asked
            if "extra ==" not in line
        ]
    return found
