"""Secrets are removed from everything we print or store, by value and not by name.

A value counts as a secret when the environment variable that holds it, or its key in one of the
configuration files that the program names, is named like one. Whatever text it ends up in, it is
replaced, also in the encodings that values are usually printed in.
"""

import html
import json
import os
import re
import shlex
import urllib.parse
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["hide", "redact", "redacted", "secret_values"]

REPLACEMENT = "[secret]"
_NAMED_LIKE_A_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE
)
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
        if _NAMED_LIKE_A_SECRET.search(name) and not _is_path(value)
    }
    for file in files:
        if file.is_file():
            pairs = _ASSIGNED.findall(file.read_text(encoding="utf-8", errors="replace"))
            values |= {value for name, value in pairs if _NAMED_LIKE_A_SECRET.search(name)}
    values = {value.strip() for value in values if len(value.strip()) >= _SHORTEST}
    lines = {line.strip() for value in values for line in value.splitlines()}
    values |= {line for line in lines if len(line) >= _SHORTEST_LINE}
    once = {shape for value in values for shape in _shapes(value) if len(shape) >= _SHORTEST}
    shapes = once | {twice for shape in once for twice in _escaped(shape)}
    return sorted(shapes, key=lambda value: (-len(value), value))


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
    """JSON-like data with every text in it redacted, so that it stays what it is: data."""
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, Mapping):
        return {redacted(key): redacted(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redacted(each) for each in data]
    return data


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` without any secret of the environment or of the configuration files."""
    if environment is None:
        for value in _secrets_of_process():
            text = text.replace(value, REPLACEMENT)
        return text
    for value in secret_values(environment):
        text = text.replace(value, REPLACEMENT)
    return text


@lru_cache(maxsize=1)
def _secrets_of_process() -> tuple[str, ...]:
    return tuple(secret_values(os.environ, [path for files in _FILES for path in files()]))


_FILES: list[Callable[[], Iterable[Path]]] = []


def hide(files: Callable[[], Iterable[Path]]) -> None:
    """Count the values of these configuration files as secrets, where their keys say so."""
    if files not in _FILES:
        _FILES.append(files)
        _secrets_of_process.cache_clear()
