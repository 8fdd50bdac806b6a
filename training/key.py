"""The training key: what a training is made of, as 16 hex digits.

Same key, same training: it is launched once and never paid for twice. The key is the beginning of
the sha256 of canonical JSON (sorted keys, no spaces) of `KeyParts`. What is not among the parts
changes no key: names, hardware, where it runs, what is kept of it, by what it is judged.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "KeyParts",
    "config_digest",
    "content_digest",
    "digest_of_files",
    "source_digest",
    "source_files",
    "training_key",
]

_LENGTH = 16
_HERE = Path(__file__).resolve().parent
_LEARNED_FROM = ("data/decode.py", "data/shard.py")


@dataclass(frozen=True)
class KeyParts:
    """Everything that can change a weight.

    Attributes:
        command: What is started, word by word.
        settings: All values that the command is given, but for the micro-batch.
        source: Digest of names and bytes of the files that the command is made of.
        requirements: Distributions with their versions.
        apt: Packages of the system.
        python: Version of the interpreter, such as ``3.11``.
        env: What is set in the environment.
        data: Digest of the dataset.
        init: Digest of the first weights; empty where they are drawn.
    """

    command: tuple[str, ...]
    settings: Mapping[str, object]
    source: str
    requirements: tuple[str, ...]
    apt: tuple[str, ...]
    python: str
    env: Mapping[str, str]
    data: str
    init: str = ""


def training_key(parts: KeyParts) -> str:
    """16 hex digits naming the training of these parts, in whatever order they were given.

    Raises:
        ValueError: A setting is no JSON, or a number that is not finite.
    """
    content = {
        "command": list(parts.command),
        "settings": dict(parts.settings),
        "source": parts.source,
        "requirements": sorted(parts.requirements),
        "apt": sorted(parts.apt),
        "python": parts.python,
        "env": dict(parts.env),
        "data": parts.data,
        "init": parts.init,
    }
    return _digest(content)[:_LENGTH]


def config_digest(settings: Mapping[str, object]) -> str:
    """16 hex digits of the settings alone."""
    return _digest(settings)[:_LENGTH]


def source_digest(root: Path = _HERE) -> str:
    """64 hex digits over all that our own models learn by: ``learn/``, decoding and sharding.

    A name and its bytes count, a time stamp or a cache directory does not.

    Args:
        root: The ``training/`` directory.
    """
    return digest_of_files(root.parent, source_files(root))


def source_files(root: Path = _HERE) -> list[Path]:
    """The files that our own models learn by.

    Args:
        root: The ``training/`` directory.
    """
    return [*(root / "learn").rglob("*.py"), *map(root.joinpath, _LEARNED_FROM)]


def digest_of_files(root: Path, files: Iterable[Path]) -> str:
    """64 hex digits of the names below `root` and the bytes of files.

    Hidden files are none of the source: an editor leaves them, and nothing can import them.
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        if "/." in f"/{name}":
            continue
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(entries: Iterable[tuple[str, int, str]]) -> str:
    """64 hex digits of files by name, size and sha256, in whatever order they come."""
    digest = hashlib.sha256()
    for name, size, sha256 in sorted(entries):
        digest.update(f"{name}\0{size}\0{sha256}\n".encode())
    return digest.hexdigest()
