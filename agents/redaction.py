"""Secrets are removed from everything we print or store, by value and not by name.

A value counts as a secret when the environment variable that holds it, or the key of the Modal
configuration file, is named like one. Whatever text it ends up in, it is replaced.
"""

import json
import os
import re
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

__all__ = ["redact", "secret_values"]

REPLACEMENT = "[secret]"
_NAMED_LIKE_A_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE
)
_SHORTEST = 6
"""Shorter values are words like ``true``; replacing those would destroy the text."""


def secret_values(environment: Mapping[str, str], modal_config: Path | None = None) -> list[str]:
    """Values to hide, longest first, in every encoding they are likely to be printed in."""
    values = {
        value
        for name, value in environment.items()
        if _NAMED_LIKE_A_SECRET.search(name) and not Path(value).exists()
    }
    if modal_config is not None and modal_config.is_file():
        text = modal_config.read_text(encoding="utf-8", errors="replace")
        values |= set(re.findall(r'token_(?:id|secret)\s*=\s*["\']([^"\']+)["\']', text))
    values = {value.strip() for value in values if len(value.strip()) >= _SHORTEST}
    shapes = set(values)
    for value in values:
        shapes.add(urllib.parse.quote(value, safe=""))
        shapes.add(json.dumps(value)[1:-1])
        shapes.add(repr(value)[1:-1])
        shapes.add(b64encode(value.encode()).decode())
    return sorted(shapes, key=lambda value: (-len(value), value))


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """``text`` without any secret of the environment or of the Modal configuration."""
    if environment is None:
        for value in _secrets_of_process():
            text = text.replace(value, REPLACEMENT)
        return text
    for value in secret_values(environment):
        text = text.replace(value, REPLACEMENT)
    return text


@lru_cache(maxsize=1)
def _secrets_of_process() -> tuple[str, ...]:
    config = Path(os.environ.get("MODAL_CONFIG_PATH") or Path.home() / ".modal.toml")
    return tuple(secret_values(os.environ, config))
