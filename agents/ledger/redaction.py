"""Secrets are removed from everything we print or store, by value and by shape.

A value counts as a secret when the environment variable that holds it, or its key in one of the
configuration files that the program names, is named like one; so does what a URL in a variable
says of who one is. Whatever text it ends up in, it is replaced, also in the encodings that values
are usually printed in. What only somebody else knows, such as a container, is known by its shape.
Nothing here raises: where a file cannot be read, nothing of it is known.
"""

import html
import json
import os
import re
import shlex
import urllib.parse
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents.ledger.secret_shapes import is_secret, userinfo, without_shapes

__all__ = ["hide", "hide_value", "redact", "redacted", "secret_values"]

REPLACEMENT = "[secret]"
_ASSIGNED = re.compile(r"""([\w.-]+)["']?\s*[=:]\s*["']([^"']+)["']""")
"""``key = "value"``, in TOML and most of what looks like it."""

_SHORTEST = 6
"""Shorter values are words like ``true``; replacing those would destroy the text."""

_SHORTEST_LINE = 16
"""Lines of a value that has several, such as a key in PEM, are printed one by one."""


def secret_values(environment: Mapping[str, str], files: Iterable[Path] = ()) -> list[str]:
    """Values to hide, longest first, in every encoding they are likely to be printed in."""
    values = {
        value
        for name, value in environment.items()
        if is_secret(name, value) and not _is_path(value)
    }
    values |= {part for value in environment.values() for part in userinfo(value)}
    for file in files:
        pairs = _ASSIGNED.findall(_read(file))
        values |= {value for name, value in pairs if is_secret(name, value)}
        values |= {part for _, value in pairs for part in userinfo(value)}
    values = {value.strip() for value in values if len(value.strip()) >= _SHORTEST}
    lines = {line.strip() for value in values for line in value.splitlines()}
    values |= {line for line in lines if len(line) >= _SHORTEST_LINE}
    once = {shape for value in values for shape in _shapes(value) if len(shape) >= _SHORTEST}
    shapes = once | {twice for shape in once for twice in _escaped(shape)}
    return sorted(shapes, key=lambda value: (-len(value), value))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _is_path(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):  # longer than any name of a file, or with a zero in it
        return False


def _shapes(value: str) -> Iterator[str]:
    """A value as it is, quoted for URLs, JSON, Python, HTML and shells, and in hex and base64."""
    yield value
    yield urllib.parse.quote(value, safe="", errors="replace")
    yield urllib.parse.quote(value, errors="replace")
    yield urllib.parse.quote_plus(value, errors="replace")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield ascii(value)[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield shlex.quote(value)
    raw = value.encode("utf-8", "replace")
    yield raw.hex()
    yield raw.hex().upper()
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(raw).decode()
        yield from _inside_base64(raw, encode)


def _escaped(text: str) -> Iterator[str]:
    """A shape inside a string that is itself printed as one, as a KeyError does with its key."""
    doubled = text.replace("\\", "\\\\")
    yield doubled
    yield doubled.replace("'", "\\'")
    yield doubled.replace('"', '\\"')


def _inside_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """What is the same wherever the value stands in a longer text: each letter holds six bits."""
    for before in range(3):
        whole = encode(bytes(before) + raw).decode()
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield whole[first:last]


def redacted(data: Any) -> Any:
    """JSON-like data with every text in it redacted, so that it stays what it is: data.

    Raises:
        RecursionError: It is nested so deep that nobody could write it down.
    """
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, Mapping):
        return {redacted(key): _of_key(key, value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redacted(each) for each in data]
    return data


def _of_key(key: Any, value: Any) -> Any:
    """A value, hidden where its key is a variable, in capitals, that is named like a secret."""
    if isinstance(value, str) and isinstance(key, str) and key.isupper() and is_secret(key, value):
        return REPLACEMENT
    return redacted(value)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` without any secret of the environment or of the configuration files."""
    known = _secrets_of_process() if environment is None else secret_values(environment)
    for value in known:
        text = text.replace(value, REPLACEMENT)
    return without_shapes(text, REPLACEMENT)


@lru_cache(maxsize=1)
def _secrets_of_process() -> tuple[str, ...]:
    files: list[Path] = []
    for named in _FILES:
        with suppress(OSError, RuntimeError, ValueError):  # no home directory, for example
            files += named()
    more = {f"_SECRET_{number}": value for number, value in enumerate(_VALUES)}
    return tuple(secret_values({**os.environ, **more}, files))


_FILES: list[Callable[[], Iterable[Path]]] = []
_VALUES: list[str] = []


def hide(files: Callable[[], Iterable[Path]]) -> None:
    """Count the values of these configuration files as secrets, where their keys say so."""
    if files not in _FILES:
        _FILES.append(files)
        _secrets_of_process.cache_clear()


def hide_value(value: str) -> None:
    """Count this value as a secret, wherever it came from."""
    if value and value not in _VALUES:
        _VALUES.append(value)
        _secrets_of_process.cache_clear()
