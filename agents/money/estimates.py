"""Estimates: what a step will take, from what it was declared to take and what was measured.

A declared duration may depend on the parameters; what history teaches is the factor by which such
declarations are off. So a job of 800 pages improves the estimate of one with 20,000.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from agents.declare.actions import Estimate, Grounded
from agents.declare.amounts import Range
from agents.declare.rates import Rate
from agents.ledger.past import Past
from agents.ledger.projections.steps import Sample, samples

__all__ = ["Estimates", "Total", "estimates_from", "total"]

UNMEASURED = 3.0
"""Before anything was measured a declared duration is an order of magnitude: a third to thrice."""


class Total(NamedTuple):
    """What a whole plan takes; dollars are None where nobody knows a price.

    ``error`` says by how much earlier estimates of its steps were off, as a part of what they took.
    """

    seconds: Range
    usd: Range | None
    measured: int
    error: float | None


@dataclass(frozen=True)
class Estimates:
    """What is known about durations and prices.

    Attributes:
        samples: By action and basis, oldest first.
        rates: By basis.
        rests: By action: what it still takes of all machines together, as the thing itself was
            measured.
    """

    samples: Mapping[tuple[str, str], tuple[Sample, ...]] = field(default_factory=dict)
    rates: Mapping[str, Rate] = field(default_factory=dict)
    rests: Mapping[str, Range] = field(default_factory=dict)

    def applied(self, grounded: Grounded) -> Grounded:
        """The action with what is expected of it now."""
        estimate = self._estimate(grounded)
        usd = estimate.usd
        return replace(
            grounded,
            seconds=estimate.seconds.expected,
            usd=usd.expected if usd is not None else 0.0,
            priced=usd is not None,
            estimate=estimate,
        )

    def rate_of(self, grounded: Grounded) -> Range | None:
        """Dollars for a second of one machine, where time is paid; None: nobody knows."""
        rate = self._rate(grounded)
        return None if rate is None else rate.per_second

    def _rate(self, grounded: Grounded) -> Rate | None:
        """Its own, else that of all on its basis."""
        if grounded.priced:
            return None
        return self.rates.get(grounded.rate) or self.rates.get(grounded.basis)

    def _estimate(self, grounded: Grounded) -> Estimate:
        samples = self.samples.get((grounded.name, grounded.basis), ())
        rate = self._rate(grounded)
        rest = self.rests.get(grounded.name)
        if rest is not None:
            seconds = rest.times(1 / grounded.machines)
        else:
            seconds = _seconds(grounded.seconds, samples)
        if grounded.priced:
            usd: Range | None = Range(grounded.usd, grounded.usd, grounded.usd)
        else:
            usd = None if rate is None else rate.price(seconds.times(grounded.machines))
        return Estimate(
            seconds=seconds,
            usd=usd,
            per_second=rate.per_second if rate is not None else None,
            rate="" if rate is None else f"{rate.source}, seen {rate.seen}",
            declared=grounded.seconds,
            measured=len(samples),
            missed=sum(abs(each.expected - each.took) for each in samples),
            took=sum(each.took for each in samples),
        )


def estimates_from(past: Past, rates: Mapping[str, Rate]) -> Estimates:
    """Estimates from the ledger's finished steps and the rates of now."""
    found = samples(past.ledger)
    return Estimates({key: tuple(each) for key, each in found.items()}, rates)


def total(steps: Iterable[Grounded]) -> Total:
    """The sum over the steps of a plan."""
    estimates = [each.estimate for each in steps if each.estimate is not None]
    prices = [each.usd for each in estimates]
    took = sum(each.took for each in estimates)
    priced = [price for price in prices if price is not None]
    return Total(
        _sum(each.seconds for each in estimates),
        _sum(priced) if len(priced) == len(prices) else None,
        sum(1 for each in estimates if each.measured),
        sum(each.missed for each in estimates) / took if took else None,
    )


def _sum(ranges: Iterable[Range]) -> Range:
    rows = list(ranges)
    return Range(*(sum(each[part] for each in rows) for part in range(3)))


def _seconds(declared: float, samples: tuple[Sample, ...]) -> Range:
    ratios = [each.took / each.declared for each in samples if each.declared > 0]
    if not ratios:
        return Range(declared / UNMEASURED, declared, declared * UNMEASURED)
    # the more was measured, the less lies outside of what was seen
    margin = 1 + 1 / len(ratios)
    return Range(
        _rounded(declared * min(ratios) / margin),
        _rounded(declared * statistics.median(ratios)),
        _rounded(declared * max(ratios) * margin),
    )


def _rounded(seconds: float) -> float:
    """Two digits are all that an estimate is worth, and they keep the digest of a plan still."""
    return float(f"{seconds:.2g}")
