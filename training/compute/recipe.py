"""What a declared training runs in and on: the recipe of its image, and its hardware.

The standard library alone, so that whoever declares, plans or launches can name them.
"""

import hashlib
import json
from dataclasses import dataclass, replace

__all__ = ["KEY_TAG", "Hardware", "Recipe", "proof_digest"]

LEAST_CORES, LEAST_MEGABYTES = 0.125, 128
"""What the platform keeps for a container that asks for nothing (guide: resources)."""

MOST_CORES, MOST_MEGABYTES = 8.0, 32 * 1024
"""A container gets no more than this for each GPU, unless it asks for more: what it may cost is
known before it starts."""

KEY_TAG = "{key}"
"""In a tag: the key of the training, which gives each an app of its own, and rows of the bill."""

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

    @property
    def app(self) -> str:
        """How the names of the apps begin that run in it."""
        return f"goap-{self.fingerprint()[:12]}"

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
        cpu: Cores that are always there; None: whatever is usual.
        memory: Megabytes that are always there; None: whatever is usual.
        region: Where; None: anywhere.
        secrets: Names of secrets of the platform.
        timeout: Seconds after which one call ends at the latest.
        nodes: Machines at once, each with this hardware.
        queue_timeout: Seconds for which a call waits for it at most; None: for ever.
        tags: Names and values for whoever reads the bill.
        usd_per_hour: What an hour of it costs, for the account: the least, the expected, the most;
            None: nobody said it.
        likely_seconds: How long it is expected to take at most, for a budget; None: not known.
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
    likely_seconds: float | None = None
    nodes: int = 1

    @property
    def label(self) -> str:
        """All that the price of one of its machines depends on, in words.

        >>> Hardware(gpu=("T4", "L4")).label, Hardware(cpu=4.0, memory=8192).label, Hardware().label
        ('T4 or L4', 'cpu cpu=4 memory=8192', 'cpu')
        """
        words = [" or ".join(self.gpu) or "cpu"]
        words += [] if self.cpu is None else [f"cpu={self.cpu:g}"]
        words += [] if self.memory is None else [f"memory={self.memory}"]
        return " ".join(words)

    def tagged(self, key: str) -> "Hardware":
        """The same for one training: its key stands where a tag asks for it.

        >>> Hardware(tags=(("by", "{key}"),)).tagged("aa").tags
        (('by', 'aa'),)
        """
        tags = tuple((name, value.replace(KEY_TAG, key)) for name, value in self.tags)
        return replace(self, tags=tags)

    @property
    def cores(self) -> tuple[float, float]:
        """Cores that are always there, and the most that are used and billed.

        >>> Hardware().cores, Hardware(gpu=("H100:2",), cpu=4.0).cores, Hardware(cpu=32.0).cores
        ((0.125, 8.0), (4.0, 16.0), (32.0, 32.0))
        """
        least = self.cpu or LEAST_CORES
        return least, max(least, MOST_CORES * self._most_gpus)

    @property
    def megabytes(self) -> tuple[int, int]:
        """Memory that is always there, and the most that is used and billed.

        >>> Hardware().megabytes, Hardware(memory=65536).megabytes
        ((128, 32768), (65536, 65536))
        """
        least = self.memory or LEAST_MEGABYTES
        return least, max(least, MOST_MEGABYTES * self._most_gpus)

    @property
    def _most_gpus(self) -> int:
        return max((int(each.partition(":")[2] or 1) for each in self.gpu), default=1)


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
