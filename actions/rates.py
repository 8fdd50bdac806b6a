"""What an hour costs, written down where estimates read it, with its source and its date."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agents.declare.rates import RATES_NAME, read_rates
from training.compute.modal.rates import COMMAND
from training.compute.port import Compute
from training.compute.recipe import Hardware
from training.store.durable import write_whole

__all__ = ["note_rate"]


def note_rate(state: Path, compute: Compute, hardware: Sequence[Hardware]) -> str:
    """Write the compute's rate of today, unless a person wrote one; what was written, in words.

    A rate that the platform no longer lists is removed: an old price is no price.

    Args:
        state: Where rates are kept.
        compute: Who is asked.
        hardware: What each training runs on.
    """
    rates = dict(read_rates(state))
    before = rates.get(compute.name)
    if before is not None and not before.source.startswith(COMMAND):
        return ""
    rate = compute.hourly_rate(hardware)
    entries = {name: each.model_dump(mode="json") for name, each in rates.items()}
    entries.pop(compute.name, None)
    if rate is not None:
        said = asdict(rate)
        entries[compute.name] = {
            "usd_per_hour": {name: said[name] for name in ("low", "expected", "high")},
            "source": rate.source,
            "seen": rate.seen,
            "until": rate.seen,  # asked again on another day
        }
    if entries != {} or (state / RATES_NAME).exists():
        write_whole(state / RATES_NAME, json.dumps(entries, indent=2, sort_keys=True) + "\n")
    if rate is None:
        return f"the price of an hour on {compute.name} is unknown"
    return f"${rate.expected:.2f} an hour on {compute.name} ({rate.source}, {rate.seen})"
