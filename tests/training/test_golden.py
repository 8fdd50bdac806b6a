"""A loss curve of 20 steps, kept as text: what should not change learning must not change it.

Bits depend on torch, on the CPU's instructions and on the number of threads: on other ones the
curve is compared to two digits only. To write it again after a change that is meant to change it:

    GOLDEN=write python -m pytest tests/training/test_golden.py
"""

import os
from pathlib import Path
from typing import Any

import pytest

from training.data.shard import load
from training.device import cpu_capability

GOLDEN = Path(__file__).parent / "golden" / "loss-smoke-20-steps.txt"


def curve(bench: Any) -> list[str]:
    """Capability, then one loss a line, to the last bit."""
    directory = bench.make("golden", steps=20, log_every=1, save_every=20, sample_steps=2)
    bench.run(directory)
    losses = [row["loss"] for row in directory.metrics() if "loss" in row]
    cats = load(bench.volume, bench.dataset).digest[:12]
    return [f"{cpu_capability()}, cats {cats}", *(loss.hex() for loss in losses)]


def test_the_first_twenty_losses_are_what_they_always_were(bench: Any) -> None:
    found = curve(bench)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("\n".join(found) + "\n", encoding="utf-8")
    capability, *losses = GOLDEN.read_text(encoding="utf-8").splitlines()
    assert len(losses) == 20
    expected = [float.fromhex(loss) for loss in losses]
    if found[0].split()[-1] != capability.split()[-1]:
        pytest.skip("Pillow draws the synthetic cats differently here: other photos, other losses")
    assert [float.fromhex(loss) for loss in found[1:]] == pytest.approx(expected, rel=1e-2)
    if found[0] != capability:
        pytest.skip(f"bits are of {capability}, this is {found[0]}; two digits agree")
    assert found[1:] == losses
