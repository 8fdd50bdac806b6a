"""The bill of a platform beside the accounts of trainings: what each says, and how they differ.

A platform bills objects of its own, such as apps. What one of them cost is that of a training where
a tag of it is the training's key. Trainings of one image share an app otherwise: what that cost is
divided among them as their accounts say, and said to be shared.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from training.compute.spending import Spent

__all__ = ["Billed", "Compared", "Line", "Report", "compare"]


@dataclass(frozen=True)
class Billed:
    """One row of a bill.

    Attributes:
        app: The object's name.
        usd: Dollars.
        tags: As the object has them.
    """

    app: str
    usd: float
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A bill.

    Attributes:
        rows: None where there is no bill.
        why: Why there is none.
    """

    rows: tuple[Billed, ...] | None
    why: str = ""


@dataclass(frozen=True)
class Line:
    """One training on both.

    Attributes:
        spent: What its account says.
        set_aside: Dollars that are set aside for a call of it that is not over.
        billed: Dollars on the bill; None: nobody knows.
        shared_by: Among how many trainings that was divided; 1: it is exact.
    """

    spent: Spent
    set_aside: float = 0.0
    billed: float | None = None
    shared_by: int = 1

    @property
    def difference(self) -> float | None:
        """By how much the bill is more than what the account expects; None: nobody knows."""
        usd = self.spent.usd
        return None if usd is None or self.billed is None else self.billed - usd[1]


@dataclass(frozen=True)
class Compared:
    """All trainings of a volume on both, and what is on the bill for none of them."""

    lines: tuple[Line, ...]
    others: tuple[Billed, ...] = ()


def compare(
    spent: Iterable[Spent],
    report: Report,
    apps: Mapping[str, str],
    set_aside: Mapping[str, float],
) -> Compared:
    """Put the accounts of trainings beside a bill.

    Args:
        spent: What each used.
        report: The bill.
        apps: How the names of the apps begin that a training runs in, by its key.
        set_aside: Dollars by key.

    >>> from training.runner.account import Use
    >>> used = [Spent(key, (Use(1, key, "ended", "", "", 0.0, 36.0, (1.0, 1.0, 1.0)),))
    ...         for key in ("aa", "bb", "cc")]
    >>> rows = Billed("goap-1", 0.03), Billed("goap-1-x", 0.02, {"by": "cc"}), Billed("web", 9.0)
    >>> both = compare(used, Report(rows), dict.fromkeys(("aa", "bb", "cc"), "goap-1"), {})
    >>> [(each.spent.key, round(each.billed, 3), each.shared_by) for each in both.lines]
    [('aa', 0.015, 2), ('bb', 0.015, 2), ('cc', 0.02, 1)]
    """
    all_spent = {each.key: each for each in spent}
    for key in set_aside:
        all_spent.setdefault(key, Spent(key, ()))
    lines = {key: Line(each, set_aside.get(key, 0.0)) for key, each in sorted(all_spent.items())}
    if report.rows is None:
        return Compared(tuple(lines.values()))
    billed, others = _parts(report.rows, all_spent, apps)
    return Compared(
        tuple(
            Line(each.spent, each.set_aside, *billed.get(key, (0.0, 1)))
            if key in apps or key in billed
            else each  # nobody knows any more where it ran
            for key, each in lines.items()
        ),
        tuple(others),
    )


def _parts(
    rows: Collection[Billed], spent: Mapping[str, Spent], apps: Mapping[str, str]
) -> tuple[dict[str, tuple[float, int]], list[Billed]]:
    """What is billed for each training, with how many share that; and what is for none."""
    exact, shared, others = _sorted(rows, set(spent), apps)
    billed = {key: (usd, 1) for key, usd in exact.items()}
    for begin, usd in shared.items():
        keys = [key for key, app in apps.items() if app == begin and key not in exact]
        billed |= {key: (part, len(keys)) for key, part in _divided(usd, keys, spent)}
    return billed, others


def _sorted(
    rows: Collection[Billed], keys: set[str], apps: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float], list[Billed]]:
    """What is billed for one training, for the trainings of an image, and for neither."""
    exact: defaultdict[str, float] = defaultdict(float)
    shared: defaultdict[str, float] = defaultdict(float)
    others: dict[str, Billed] = {}
    tagged = {key for row in rows for key in row.tags.values()} & keys
    for row in rows:
        own = next((each for each in row.tags.values() if each in keys), "")
        begin = next((each for each in apps.values() if _is_named(row.app, each)), "")
        if own:
            exact[own] += row.usd
        elif begin and any(apps[key] == begin for key in apps.keys() - tagged):
            shared[begin] += row.usd
        else:
            before = others.get(row.app, Billed(row.app, 0.0, row.tags))
            others[row.app] = Billed(row.app, before.usd + row.usd, row.tags)
    return exact, shared, sorted(others.values(), key=lambda each: -each.usd)


def _is_named(app: str, begin: str) -> bool:
    return app == begin or app.startswith(f"{begin}-")


def _divided(usd: float, keys: list[str], spent: Mapping[str, Spent]) -> list[tuple[str, float]]:
    """Dollars for several trainings, in proportion to what their accounts say."""
    weights = [(spent[key].usd or (0.0, spent[key].seconds, 0.0))[1] for key in keys]
    if not sum(weights):
        weights = [1.0] * len(keys)
    return [(key, usd * weight / sum(weights)) for key, weight in zip(keys, weights, strict=True)]
