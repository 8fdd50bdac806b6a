"""What goes wrong while watching, and passes: each said once, and left alone for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.errors import GoapError

__all__ = ["Troubles", "problem_of"]

PATIENT_TIMES = 3
"""So often somebody who cannot is asked again at once: most of it has passed by then."""

LONGEST_SECONDS = 60.0
MOST_SHOWN = 300


@dataclass
class _Trouble:
    said: str
    times: int
    began: datetime
    until: datetime


@dataclass
class Troubles:
    """Who has a problem now, and until when they are left alone.

    Attributes:
        told: Called with a line when a problem begins, is another one, or is over.
        clock: What time it is.
    """

    told: Callable[[str], object]
    clock: Callable[[], datetime]
    _of: dict[str, _Trouble] = field(default_factory=dict)

    def resting(self, who: str) -> bool:
        """Whether they are left alone now."""
        trouble = self._of.get(who)
        # a clock that was set back leaves times behind that would be waited for too long
        return trouble is not None and trouble.began <= self.clock() < trouble.until

    def met(self, who: str, error: Exception) -> int:
        """Note a problem and say it, if nobody has said the same yet.

        Returns:
            How often in a row they had one.
        """
        before, now, problem = self._of.get(who), self.clock(), problem_of(error)
        if all(problem != each.said for each in self._of.values()):
            self.told(f"{who}: {problem}")
        times = before.times + 1 if before is not None else 1
        wait = (
            0.0 if times <= PATIENT_TIMES else min(2.0 ** (times - PATIENT_TIMES), LONGEST_SECONDS)
        )
        self._of[who] = _Trouble(problem, times, now, now + timedelta(seconds=wait))
        return times

    def over(self, who: str) -> None:
        """Note that they have none, and say so once nobody has this one any more."""
        trouble = self._of.pop(who, None)
        if trouble is not None and all(trouble.said != each.said for each in self._of.values()):
            self.told(f"{who}: can be seen again")


def problem_of(error: Exception) -> str:
    """An error in one line, with what mends it where it does not pass by itself."""
    if isinstance(error, GoapError):
        text = error.message + (f"; fix: {error.fix}" if error.fix and not error.retryable else "")
    else:
        text = f"{type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}…"
