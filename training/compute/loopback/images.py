"""Images: named by what they are made of, built once, with only what their recipe names in them.

There is no container runtime here. An image is a directory of links to the distributions that its
recipe pins and to what the modal client itself needs, all taken from the interpreter that runs the
control plane. A pin that this interpreter does not have in that version fails the build, as a
resolver that cannot find it would.
"""

import hashlib
import importlib.metadata
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from modal_proto import api_pb2

from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Image", "Images"]

_CLIENT = ("modal", "pip", "setuptools")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)$")


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

    def named(self, name: str) -> str:
        """The id of the image with this name.

        Raises:
            GRPCError: There is none.
        """
        known = self._store.get("image name", name)
        if known is None:
            raise not_found(f"Image {name!r} does not exist")
        return str(known)

    def names(self) -> list[str]:
        """The names that were published."""
        return [name for name, _ in self._store.items("image name")]

    def site(self, image: Image) -> Path:
        """A directory to import from: the image's distributions and nothing else."""
        target = self._root / image.identity
        wanted = _links(image.distributions)
        target.mkdir(parents=True, exist_ok=True)
        for name, source in wanted.items():
            link = target / name
            if not link.is_symlink():
                link.symlink_to(source)
        return target

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
            if word == "RUN" and " install" in rest:
                wrong = _install(rest, distributions)
                if wrong:
                    return Image(identity, error=wrong)
        return Image(identity, environment, distributions)


def _install(command: str, distributions: dict[str, str]) -> str:
    """Add what a command pins; what is wrong with it, or nothing."""
    for word in shlex.split(command):
        match = _PINNED.match(word)
        if match is None:
            continue
        name, version = match.groups()
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "not installed"
        if here.partition("+")[0] != version.partition("+")[0]:
            return f"no matching distribution for {word}: this interpreter has {here}"
        distributions[name] = version
    return ""


def _environment(text: str) -> dict[str, str]:
    """Names and values of a line ``ENV NAME=value …``."""
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: value for name, sign, value in pairs if sign}


def _links(distributions: dict[str, str]) -> dict[str, str]:
    """Name in the image → where it lies here, for distributions and what the client needs."""
    found: dict[str, str] = {}
    for name in sorted({*distributions, *_needs(_CLIENT)}):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not top.endswith(".pth"):
                found[top] = str(distribution.locate_file(top))
    return found


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
