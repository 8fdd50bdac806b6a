"""Rates: what an hour costs where, as a person wrote it down; no price is known to this program.

``<state>/rates.json``, by the basis that actions name (where they run, for example):

```
{"cloud": {"usd_per_hour": {"low": L, "expected": E, "high": H},
           "source": "where the rate was read", "seen": "when"}}
```
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from agents.declare.amounts import Range
from agents.errors import UsageError

__all__ = ["RATES_NAME", "Rate", "read_rates"]

RATES_NAME = "rates.json"
SECONDS_PER_HOUR = 3600


class _Frozen(BaseModel):
    # strict: a price that was written as a text was meant otherwise
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class PerHour(_Frozen):
    """Dollars per hour: the least, the expected and the most."""

    low: float = Field(ge=0, allow_inf_nan=False)
    expected: float = Field(ge=0, allow_inf_nan=False)
    high: float = Field(ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.expected <= self.high:
            raise ValueError("low, expected and high are not in order")
        return self


class Rate(_Frozen):
    """What an hour costs, and who says so."""

    usd_per_hour: PerHour
    source: str = Field(min_length=1, description="where the rate was read")
    seen: str = Field(min_length=1, description="when it was read")
    until: str = Field("", description="last day, in UTC, on which it holds; empty: for ever")

    @field_validator("until")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        return date.fromisoformat(value).isoformat() if value else ""

    @property
    def per_second(self) -> Range:
        """Dollars per second."""
        hour = self.usd_per_hour
        return Range(*(each / SECONDS_PER_HOUR for each in (hour.low, hour.expected, hour.high)))

    def price(self, seconds: Range) -> Range:
        """Dollars for a duration."""
        pairs = zip(self.per_second, seconds, strict=True)
        return Range(*(rate * duration for rate, duration in pairs))


_RATES = TypeAdapter(dict[str, Rate], config=ConfigDict(defer_build=True))


def read_rates(
    state: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Mapping[str, Rate]:
    """The rates of today in the state directory; empty where there are none.

    Raises:
        UsageError: The file cannot be understood.
    """
    path = state / RATES_NAME
    try:
        rates = _RATES.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", fix=f"mend or remove {path}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where}: {first['msg']}", fix=f"mend or remove {path}") from None
    today = now().date().isoformat()
    return {name: rate for name, rate in rates.items() if not rate.until or rate.until >= today}
