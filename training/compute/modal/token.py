"""Whether there is a Modal token at all, found out without importing the client.

The client reads the environment first, then the active profile of its configuration file.
Source: https://modal.com/docs/reference/modal.config.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.compute.port import Auth
from training.errors import AuthenticationError

__all__ = ["ACCEPTED", "LOG_IN", "configuration", "require_token"]

ACCEPTED: dict[str, Auth] = {}
"""The answer about the token of this process, by its id, until a request with it was refused."""

LOG_IN = (
    "modal token new            (opens a browser), or without one:\n"
    "modal token set --token-id ak-… --token-secret as-…\n"
    "in CI: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET from the secrets\n"
    "or train here: compute=local"
)


def require_token(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> None:
    """Return when there is a token; whether it is accepted is another question.

    Raises:
        AuthenticationError: There is none, or only half of one.
    """
    found = _profile(environment, home or Path.home())
    token = environment.get("MODAL_TOKEN_ID") or found.get("token_id")
    secret = environment.get("MODAL_TOKEN_SECRET") or found.get("token_secret")
    if token and secret:
        return
    what = "no token" if not token and not secret else "only half a token"
    raise AuthenticationError(f"there is {what} for Modal", fix=LOG_IN, code="no_token")


def configuration(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Path:
    """The client's configuration file, whether it is there or not."""
    return Path(environment.get("MODAL_CONFIG_PATH") or (home or Path.home()) / ".modal.toml")


def _profile(environment: Mapping[str, str], home: Path) -> Mapping[str, Any]:
    path = configuration(environment, home)
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AuthenticationError(
            f"{path} cannot be read: {error}", fix=LOG_IN, code="no_token"
        ) from error
    tables = {name: table for name, table in profiles.items() if isinstance(table, dict)}
    wanted = environment.get("MODAL_PROFILE")
    active = [name for name, table in tables.items() if table.get("active")]
    return tables.get(wanted or (active[0] if active else "default"), {})
