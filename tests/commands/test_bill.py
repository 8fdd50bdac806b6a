"""``goap bill``: what trainings used on a day or in a month, as their accounts say."""

import json
from datetime import UTC, datetime

import pytest

DAY = datetime(2026, 2, 27, tzinfo=UTC).timestamp()


@pytest.fixture
def used(desk):
    """Writes what attempts of a training used: (began, seconds, dollars an hour at most)."""

    def write(key, *attempts, volume="volume"):
        lines = [
            {"attempt": number, "call": f"fc-{number}", "state": "ended", "gpu": "A10G"}
            | {"device": "", "began": began, "seconds": seconds}
            | {"usd_per_hour": None if rate is None else [0.0, rate / 2, rate]}
            for number, (began, seconds, rate) in enumerate(attempts, start=1)
        ]
        path = desk.folder / volume / "trainings" / key / "account.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(each)}\n" for each in lines), encoding="utf-8")

    return write


def bill(desk, *words):
    place = ("compute=local", "volume=volume")
    return json.loads(desk.goap("bill", *place, *words, "--json").out)["data"]


def test_each_training_is_listed_with_what_it_used_on_that_day(desk, used):
    used("aa" * 8, (DAY - 1800, 3600, 4.0), (DAY + 7200, 900, 4.0))
    used("bb" * 8, (DAY + 86_000, 3600, 8.0))
    used("cc" * 8, (DAY - 90_000, 60, 8.0))
    found = bill(desk, "day=2026-02-27")
    rows = {row["training"][:2]: row for row in found["by_training"]}
    assert [rows[key]["seconds"] for key in rows] == [2700, 400]
    assert (rows["aa"]["usd"], rows["aa"]["usd_at_most"], rows["aa"]["attempts"]) == (1.5, 3.0, 2)
    assert rows["bb"]["usd"] == pytest.approx(0.444444)
    assert found["total"]["seconds"] == 3100
    assert (found["billed"], found["why"]) == (False, "this machine sends no bill")
    assert bill(desk, "month=2026-02", "cc")["total"]["seconds"] == 60


def test_a_price_that_nobody_wrote_down_is_unknown_not_nothing(desk, used):
    used("aa" * 8, (DAY, 60, None))
    assert bill(desk, "day=2026-02-27")["by_training"][0]["usd"] is None
    printed = desk.goap("bill", "compute=local", "volume=volume", "day=2026-02-27")
    assert printed.out.splitlines()[-1].split() == ["aa" * 8, "60", "?", "$0.00", "?", "?"]
    assert "this machine sends no bill: the accounts alone" in printed.err


def test_a_budget_is_shown_with_what_is_used_of_it_at_the_highest_price(desk, used):
    (desk.folder / "pyproject.toml").write_text("[tool.goap]\nusd_per_day = 9\n", encoding="utf-8")
    used("aa" * 8, (DAY, 3600, 4.0))
    printed = desk.goap("bill", "compute=local", "volume=volume", "day=2026-02-27").out
    said = "budget: $4.00 used at the highest price and $0.00 set aside, of $9.00"
    assert printed.splitlines()[-1] == said
    assert bill(desk, "day=2026-02-27", "ffff")["budget"]["used_at_most"] == 4.0


@pytest.mark.parametrize(
    "words", [("day=27.2.",), ("month=2026-02-01",), ("day=2026-02-27", "month=2026-02")]
)
def test_what_is_no_day_and_no_month_is_refused(desk, words):
    desk.goap("bill", "compute=local", *words, code=2)
