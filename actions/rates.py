"""What an hour costs, written down where estimates read it, with its source and its date.

Each hardware has a price of its own, so trainings on different GPUs know theirs on the same day. A
price that a person wrote for a whole compute is that of all its hardware.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from agents.declare.actions import Cost
from agents.declare.rates import RATES_NAME, Rate, read_rates
from training.compute.modal.rates import COMMAND
from training.compute.port import Compute
from training.compute.recipe import Hardware
from training.store.durable import write_whole

__all__ = ["PROVING", "cost_on", "note_rates", "rate_for", "rate_name"]

PROVING: Final = Hardware()
"""What an image is proven on."""


def rate_name(compute: str, hardware: Hardware) -> str:
    """The name under which the rate of some hardware is kept.

    >>> rate_name("modal", Hardware(gpu=("H100:2",)))
    'modal H100:2'
    """
    return f"{compute} {hardware.label}"


def cost_on(compute: str, hardware: Hardware, seconds: float) -> Cost:
    """What so much time is expected to cost; nothing on this machine, also in a rehearsal."""
    usd = None if compute == "modal" else 0.0
    return Cost(seconds, usd, compute, rate_name(compute, hardware), hardware.nodes)


def rate_for(state: Path, compute: str, hardware: Hardware) -> Rate | None:
    """The rate of today of some hardware; None where nobody knows it."""
    rates = read_rates(state)
    return rates.get(rate_name(compute, hardware)) or rates.get(compute)


def note_rates(state: Path, compute: Compute, hardware: Sequence[Hardware]) -> list[str]:
    """Write the rates of today, unless a person wrote them; what was written, in words.

    A rate that the platform no longer lists is removed: an old price is no price.

    Args:
        state: Where rates are kept.
        compute: Who is asked.
        hardware: What each thing that is to be paid runs on.
    """
    rates = {name: each for name, each in read_rates(state).items() if not _was_of_all(name, each)}
    if compute.name in rates:
        return []
    named = {rate_name(compute.name, each): each for each in hardware}
    asked = [name for name in named if name not in rates or _is_asked(rates[name])]
    found = compute.hourly_rates([named[name] for name in asked])
    entries = {name: each.model_dump(mode="json") for name, each in rates.items()}
    said = []
    for name, rate in zip(asked, found, strict=True):
        entries.pop(name, None)
        if rate is None:
            said.append(f"the price of an hour on {name} is unknown")
            continue
        numbers = asdict(rate)
        entries[name] = {
            "usd_per_hour": {each: numbers[each] for each in ("low", "expected", "high")},
            "source": rate.source,
            "seen": rate.seen,
            "until": rate.seen,  # asked again on another day
        }
        said.append(f"${rate.expected:.2f} an hour on {name} ({rate.source}, {rate.seen})")
    if entries or (state / RATES_NAME).exists():
        write_whole(state / RATES_NAME, json.dumps(entries, indent=2, sort_keys=True) + "\n")
    return said


def _is_asked(rate: Rate) -> bool:
    """Whether it is as the platform said it, and not as a person wrote it."""
    return rate.source.startswith(COMMAND)


def _was_of_all(name: str, rate: Rate) -> bool:
    """Whether it is one that was kept for a whole compute, though it is of whatever came first."""
    return " " not in name and _is_asked(rate)
