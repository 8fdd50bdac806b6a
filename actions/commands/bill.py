"""``bill``: what trainings used on a day or in a month, beside what the platform billed."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import field_validator, model_validator

from actions.ports import Ports, connect, limits_of, translated
from agents.declare.commands import Answer, Command, Data, Terminal
from agents.declare.words import word
from agents.run.options import StateOptions
from goals.placed import PlacedParameters
from training.compute.billing import Compared, Line, Report, compare
from training.compute.recipe import Recipe
from training.compute.spending import DAY, MONTH, Period, accounts_of, period_of
from training.errors import ConfigError
from training.store.directory import TrainingDirectory

__all__ = ["BILL"]

LEAST_USD = 0.005
"""Less than that is nothing, in what a person reads."""


class BillOptions(StateOptions):
    """Which day or month, and where the trainings are."""

    bare = "key"
    key: str = word("KEY", "")
    day: str = word("DATE", "", example="2026-02-28")
    month: str = word("MONTH", "", example="2026-02")
    volume: str | None = word("DIR|NAME", None)
    compute: Literal["local", "modal", "loopback"] = word("WHERE", "modal")

    @field_validator("day")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if value:
            datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        return value

    @field_validator("month")
    @classmethod
    def _is_a_month(cls, value: str) -> str:
        if value:
            datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC)
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> "BillOptions":
        if self.day and self.month:
            raise ValueError("a day or a month, not both")
        return self

    @property
    def period(self) -> Period:
        """What is asked for; this month where nothing is said."""
        if self.day:
            return period_of(DAY, datetime.fromisoformat(self.day).replace(tzinfo=UTC))
        if self.month:
            first = datetime.fromisoformat(f"{self.month}-01").replace(tzinfo=UTC)
            return period_of(MONTH, first)
        return period_of(MONTH, datetime.now(UTC))


def _bill(options: BillOptions, terminal: Terminal) -> Answer:
    place = {"compute": options.compute, "volume": options.volume}
    ports = connect(PlacedParameters.model_validate(place), options.state)
    period = options.period
    limits = limits_of(ports.volume.name, options.compute)
    with translated():
        ports.compute.auth_seen()  # says at once that there are no credentials
        both, report = _compared(ports, period)
    if report.rows is None:
        terminal.say(f"{report.why}: the accounts alone")
    lines = tuple(each for each in both.lines if each.spent.key.startswith(options.key))
    budget = _budget(both.lines, limits.of(period.kind))
    data = {**_data(ports, period, report, Compared(lines, both.others)), "budget": budget}
    return Answer(data, "\n".join(_text(data)))


def _budget(lines: Iterable[Line], limit: float | None) -> dict[str, float] | None:
    """How much of a budget is gone, by all trainings; None where there is no budget."""
    if limit is None:
        return None
    rows = [_row(each) for each in lines]
    used = sum(row["usd_at_most"] or 0.0 for row in rows)
    aside = sum(row["set_aside"] for row in rows)
    return {"usd": limit, "used_at_most": round(used, 6), "set_aside": round(aside, 6)}


def _compared(ports: Ports, period: Period) -> tuple[Compared, Report]:
    """The accounts of a period beside the bill."""
    spent = [each.within(period) for each in accounts_of(ports.volume, period.begin)]
    spent = [each for each in spent if each.uses]
    aside = ports.compute.set_aside()
    report = ports.compute.bill(period)
    keys = (each.key for each in spent)
    apps = {} if report.rows is None else _apps(ports, {*keys, *aside})
    return compare(spent, report, apps, aside), report


def _apps(ports: Ports, keys: Iterable[str]) -> dict[str, str]:
    """How the apps are called that a training runs in; without those that nobody knows of."""
    found = {}
    for key in sorted(keys):
        try:
            order = TrainingDirectory(ports.volume, key).read_order()
        except ConfigError:
            continue
        if order is not None:
            parts = order.parts
            found[key] = Recipe(parts.requirements, parts.apt, parts.python).app
    return found


def _data(ports: Ports, period: Period, report: Report, both: Compared) -> dict[str, Any]:
    rows = [_row(each) for each in both.lines]
    return {
        period.kind: period.name,
        "volume": ports.volume.name,
        "compute": ports.compute.name,
        "billed": report.rows is not None,
        "why": report.why,
        "by_training": rows,
        "others": [asdict(each) for each in both.others],
        "total": {
            name: round(sum(row[name] or 0.0 for row in rows), 6)
            for name in ("seconds", "usd", "usd_at_most", "set_aside", "billed_usd", "difference")
        },
    }


def _row(line: Line) -> dict[str, Any]:
    usd = line.spent.usd
    return {
        "training": line.spent.key,
        "seconds": round(line.spent.seconds, 3),
        "attempts": len({(each.attempt, each.call) for each in line.spent.uses}),
        "usd": None if usd is None else round(usd[1], 6),
        "usd_at_most": None if usd is None else round(usd[2], 6),
        "set_aside": round(line.set_aside, 6),
        "billed_usd": None if line.billed is None else round(line.billed, 6),
        "difference": None if line.difference is None else round(line.difference, 6),
        "shared_by": line.shared_by,
    }


HEADS = ("training", "seconds", "account", "set aside", "billed", "difference")


def _text(data: Data) -> Iterable[str]:
    assert isinstance(data, dict)  # noqa: S101 - made above
    kind = DAY if DAY in data else MONTH
    yield f"{data['volume']} ({data['compute']}), {data[kind]} (UTC)"
    rows = [HEADS, *(_cells(row, row["training"]) for row in data["by_training"])]
    if len(data["by_training"]) > 1:
        rows.append(_cells({**data["total"], "shared_by": 1}, "together"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first.strip().ljust(widths[0]), *rest]).rstrip()
    if any(row["shared_by"] > 1 for row in data["by_training"]):
        yield (
            "~ their app is shared: what it cost is divided as their accounts say; "
            'tags={"training": "{key}"} gives a training an app of its own'
        )
    for other in data["others"]:
        if other["usd"] >= LEAST_USD:
            yield f"billed for no training of this volume: ${other['usd']:.2f} for {other['app']}"
    if data["budget"] is not None:
        budget = data["budget"]
        yield (
            f"budget: ${budget['used_at_most']:.2f} used at the highest price and "
            f"${budget['set_aside']:.2f} set aside, of ${budget['usd']:.2f}"
        )


def _cells(row: dict[str, Any], name: str) -> tuple[str, ...]:
    shared = "~" if row["shared_by"] > 1 else ""
    return (
        name,
        f"{row['seconds']:,.0f}",
        _dollars(row["usd"]),
        _dollars(row["set_aside"]),
        shared + _dollars(row["billed_usd"]),
        shared + _dollars(row["difference"], sign="+"),
    )


def _dollars(usd: float | None, sign: str = "-") -> str:
    if usd is None:
        return "?"
    plus = "+" if sign == "+" and usd >= LEAST_USD else "-" if usd <= -LEAST_USD else ""
    return f"{plus}${abs(usd):.2f}"


BILL = Command(
    "bill",
    "What trainings used on a day or in a month, beside what was billed.",
    BillOptions,
    _bill,
    "The account is what the hardware wrote itself; set aside is what calls that are not over may "
    "still use. Billed is what modal billing report says of the apps of a training: also what is "
    "needed to bring a container up, and what making data and proving images cost. A day or a "
    "month is one of UTC; without either it is this month. KEY is the beginning of a training key.",
)
