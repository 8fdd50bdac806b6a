"""What a declared training runs in and on: the recipe of its image, and its hardware.

The standard library alone, so that whoever declares, plans or launches can name them.
"""

import hashlib
import json
from dataclasses import dataclass

__all__ = ["Hardware", "Recipe", "proof_digest"]

VERSION = "1"
"""Part of the fingerprint: raise it when the way an image is made of a recipe changes."""


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    Attributes:
        requirements: Distributions with their versions, as pip reads them.
        apt: Packages of the system.
        python: Version of the interpreter, such as ``3.11``.
    """

    requirements: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    python: str = "3.11"

    def fingerprint(self) -> str:
        """64 hex digits of all of it, in whatever order it was written."""
        content = {
            "version": VERSION,
            "requirements": sorted(self.requirements),
            "apt": sorted(self.apt),
            "python": self.python,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Hardware:
    """What a training is to run on; none of it changes a weight.

    Attributes:
        gpu: Names in the order they are wanted, each with a count if not 1: ``H100:8``.
        cpu: Cores; None: whatever is usual.
        memory: Megabytes; None: whatever is usual.
        region: Where; None: anywhere.
        secrets: Names of secrets of the platform.
        timeout: Seconds after which one call ends at the latest.
        nodes: Machines at once, each with this hardware.
        queue_timeout: Seconds for which a call waits for it at most; None: for ever.
        tags: Names and values for whoever reads the bill.
        usd_per_hour: What an hour of it costs, for the account: the least, the expected, the most;
            None: nobody said it.
    """

    gpu: tuple[str, ...] = ()
    cpu: float | None = None
    memory: int | None = None
    region: str | None = None
    secrets: tuple[str, ...] = ()
    timeout: int = 86400
    queue_timeout: float | None = None
    tags: tuple[tuple[str, str], ...] = ()
    usd_per_hour: tuple[float, float, float] | None = None
    nodes: int = 1


def proof_digest(recipe: Recipe, smoke_key: str = "") -> str:
    """What a proof is kept under: the image, and the key of the smoke training it carried.

    Args:
        recipe: What the image is made of.
        smoke_key: Of the training that was carried for the proof; empty: none was.
    """
    fingerprint = recipe.fingerprint()
    if not smoke_key:
        return fingerprint
    return hashlib.sha256(f"{fingerprint}\n{smoke_key}".encode()).hexdigest()
