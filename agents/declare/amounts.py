"""Amounts: a range of what is expected; a meter, what was used as the thing itself measured it."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Cost", "Meter", "Range"]


class Cost(NamedTuple):
    """What an action is expected to take; dollars are None where they depend on a rate.

    Durations and rates are those of a ``basis``: where it runs, such as the compute. Where that has
    several prices, ``rate`` is the name of its own. So many ``machines`` are used, and paid, at
    once.
    """

    seconds: float = 1.0
    usd: float | None = 0.0
    basis: str = ""
    rate: str = ""
    machines: int = 1


class Range(NamedTuple):
    """The least, the expected and the most."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> "Range":
        """Each of them so many times.

        >>> Range(1.0, 2.0, 4.0).times(0.5)
        Range(low=0.5, expected=1.0, high=2.0)
        """
        return Range(self.low * factor, self.expected * factor, self.high * factor)


@dataclass(frozen=True)
class Meter:
    """What was used so far of something that is paid by time, as it measured that itself.

    Attributes:
        seconds: Used until now, by whoever began it.
        usd: Dollars for that, by the rates it was used at; None where those were not written down:
            the rate of now counts for all of it then.
        running: Whether it is being used now. What waits for its turn is not.
        machines: How many are used at once while it is: each has its seconds.
        rest: Seconds that it still takes, by the speed it was measured at itself; None where that
            is not known.
    """

    seconds: float = 0.0
    usd: Range | None = None
    running: bool = False
    rest: Range | None = None
    machines: int = 1

    def priced(self, per_second: Range | None) -> Range:
        """Dollars so far; nothing where nobody knows a rate.

        Args:
            per_second: The rate of now.
        """
        if self.usd is not None:
            return self.usd
        return Range(0.0, 0.0, 0.0) if per_second is None else per_second.times(self.seconds)
