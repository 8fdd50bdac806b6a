"""What an hour of the training function costs, as `modal billing rates --json` says it.

The names in that answer were seen in public uses of it: ``gpu_hour_cost_h100``, ``cpu_hour_cost``
(a core), ``mem_gib_hour_cost``. A GPU whose name is not among them has no known price.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from training.compute.port import HourlyRate

__all__ = ["COMMAND", "hourly_rate", "listed_rates"]

COMMAND: Final = "modal billing rates --json"
USUAL_CORES, USUAL_GIB = 2.0, 8.0
MOST_CORES, MOST_GIB = 8.0, 32.0
"""Beside its GPU a container is billed for the cores and the memory it uses."""

_TIMEOUT_SECONDS = 20.0


def listed_rates() -> Mapping[str, str]:
    """The rates of our workspace by name; empty where they cannot be had."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND.split()],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
            start_new_session=True,
            check=True,
        )
        found: Mapping[str, str] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return {}
    return found


def hourly_rate(
    gpu: str, listed: Mapping[str, str], now: Callable[[], datetime]
) -> HourlyRate | None:
    """What an hour with this GPU costs; None where it is not listed.

    >>> from datetime import UTC, datetime
    >>> day = lambda: datetime(2026, 1, 2, tzinfo=UTC)
    >>> listed = {"gpu_hour_cost_h100": "4", "cpu_hour_cost": "0.5", "mem_gib_hour_cost": "0.25"}
    >>> found = hourly_rate("H100:2", listed, day)
    >>> (found.low, found.expected, found.high, found.source, found.seen)
    (8.0, 11.0, 20.0, 'modal billing rates --json: gpu_hour_cost_h100', '2026-01-02')
    >>> hourly_rate("A10G", listed, day) is None
    True
    """
    kind, _, count = gpu.lower().rstrip("!").partition(":")
    name = f"gpu_hour_cost_{kind.rstrip('!').replace('-', '_')}"
    try:
        low = float(listed[name]) * int(count or 1)
        core, gib = float(listed["cpu_hour_cost"]), float(listed["mem_gib_hour_cost"])
    except (KeyError, ValueError):
        return None
    return HourlyRate(
        low=low,
        expected=low + USUAL_CORES * core + USUAL_GIB * gib,
        high=low + MOST_CORES * core + MOST_GIB * gib,
        source=f"{COMMAND}: {name}",
        seen=now().date().isoformat(),
    )
