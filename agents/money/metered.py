"""An account with a meter, as one run sees it: what the thing itself says, and what is booked."""

from dataclasses import dataclass
from datetime import datetime

from agents.declare.amounts import Meter, Range
from agents.ledger.payloads import Metered
from agents.ledger.projections.accounts import Account

__all__ = ["MeteredAccount"]


@dataclass
class MeteredAccount:
    """What was read of a meter last, and where a step of this run began.

    Attributes:
        name: What it is called.
        account: What the ledger knows of it.
        meter: As it was read last.
        at: When that was.
        per_second: The rate of now; None where nobody knows it.
        base: What it showed before the step that is going on; None: none is.
    """

    name: str
    account: Account
    meter: Meter
    at: datetime
    per_second: Range | None
    base: Meter | None = None

    @property
    def spent(self) -> Range:
        """Dollars that count against a cap beside what is reserved."""
        return self.account.spent_by(self.priced(self.base or self.meter))

    def priced(self, meter: Meter) -> Range:
        """Dollars for all that a meter shows."""
        return meter.priced(self.per_second)

    def read(self, meter: Meter, at: datetime) -> None:
        """Take over what the meter shows now."""
        self.meter, self.at = meter, at

    def used(self, now: datetime) -> float:
        """Seconds that were used since the step began; what runs is taken to run on."""
        base = 0.0 if self.base is None else self.base.seconds
        since = (now - self.at).total_seconds() if self.meter.running else 0.0
        used = max(0.0, self.meter.seconds - base)
        return used + max(0.0, since) * self.meter.machines

    def shown(self, meter: Meter) -> Metered:
        """For the ledger."""
        return Metered(seconds=meter.seconds, usd=self.priced(meter), running=meter.running)

    def unbooked(self) -> float | None:
        """Dollars used since the ledger was told last; None: it knows of all that is ours.

        What others use is theirs to book; what a run of this ledger left running is ours.
        """
        known = self.account.total
        if known is None or not self.account.goes_on:
            return None
        if known.running and self.meter.running and known.seconds == self.meter.seconds:
            return None
        before = known.usd[1] if self.meter.seconds >= known.seconds else 0.0
        return max(0.0, self.priced(self.meter).expected - before)
