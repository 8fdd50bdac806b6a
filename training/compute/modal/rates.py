"""What an hour of training costs, as `modal billing rates --json` says it.

The names in that answer were seen in public uses of it: ``gpu_hour_cost_h100``, ``cpu_hour_cost``
(a core), ``mem_gib_hour_cost``. A GPU whose name is not among them has no known price.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from training.compute.gpu import gpu_count, rate_name
from training.compute.port import HourlyRate
from training.compute.recipe import Hardware

__all__ = ["COMMAND", "hourly_rate", "listed_rates"]

COMMAND: Final = "modal billing rates --json"
USUAL_CORES, USUAL_GIB = 2.0, 8.0
"""Beside its GPU a container is billed for the cores and the memory it uses, or asked for; the most
of both is a limit of its call."""

MB_PER_GIB: Final = 1024

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
    hardware: Hardware, listed: Mapping[str, str], now: Callable[[], datetime]
) -> HourlyRate | None:
    """What an hour of one machine costs; None where it is not listed.

    Of a list of preference the first GPU is expected, the cheapest and the dearest are the bounds.

    Args:
        hardware: What it has.
        listed: The rates of the workspace by name.
        now: Says when.

    >>> from datetime import UTC, datetime
    >>> day = lambda: datetime(2026, 1, 2, tzinfo=UTC)
    >>> listed = {"gpu_hour_cost_h100": "4", "cpu_hour_cost": "0.5", "mem_gib_hour_cost": "0.25"}
    >>> found = hourly_rate(Hardware(gpu=("H100:2",)), listed, day)
    >>> (found.low, found.expected, found.high, found.source, found.seen)
    (8.0, 11.0, 32.0, 'modal billing rates --json: gpu_hour_cost_h100', '2026-01-02')
    >>> hourly_rate(Hardware(gpu=("H100", "A10G")), listed, day) is None
    True
    """
    try:
        low, expected, high, names = _rate_of(hardware, listed)
    except (KeyError, ValueError):
        return None
    source = f"{COMMAND}: {', '.join(dict.fromkeys(names))}"
    return HourlyRate(low, expected, high, source, seen=now().date().isoformat())


def _rate_of(
    hardware: Hardware, listed: Mapping[str, str]
) -> tuple[float, float, float, list[str]]:
    """The least, the expected and the most for one machine, and the rates that say so.

    Raises:
        KeyError: A rate is not listed.
        ValueError: A rate is no number.
    """
    core, gib = float(listed["cpu_hour_cost"]), float(listed["mem_gib_hour_cost"])
    names = [rate_name(gpu) for gpu in hardware.gpu]
    gpus = [
        float(listed[name]) * gpu_count(gpu) for name, gpu in zip(names, hardware.gpu, strict=True)
    ] or [0.0]
    cores, memory = hardware.cpu or 0.0, (hardware.memory or 0) / MB_PER_GIB
    most = hardware.cores[1] * core + hardware.megabytes[1] / MB_PER_GIB * gib
    return (
        min(gpus) + cores * core + memory * gib,
        gpus[0] + (cores or USUAL_CORES) * core + (memory or USUAL_GIB) * gib,
        max(gpus) + most,
        names or ["cpu_hour_cost"],
    )
