"""The shapes of ``--json`` that are about money."""

from pydantic import Field

from agents.schemas.base import Exact

__all__ = ["AccountData", "MoneyData"]


class AccountData(Exact):
    """What was spent on one thing before, by whoever did something for it."""

    account: str = Field(description="what it was spent on, as its action names it")
    usd: float = Field(description="dollars that were spent")
    at_most: float = Field(description="what that may have been at most: a cap is compared with it")
    reserved: float = Field(description="set aside by a run of which nobody knows what became")
    running: bool = Field(description="whether it costs now")
    measured: bool = Field(
        description="whether what costs counts itself what it uses; else it is by the time here"
    )


class MoneyData(Exact):
    """What a run cost, as far as it is known."""

    usd: float = Field(description="dollars that are booked")
    reserved: float = Field(description="dollars that are set aside for steps that are not paid")
    running: list[str] = Field(description="actions whose costs went on when they were booked")
    unknown: list[str] = Field(description="actions that cost money, nobody knows how much")
