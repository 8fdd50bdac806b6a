"""What an hour costs, as a person wrote it down: what is odd is refused, never guessed."""

import json

import pytest

from agents.declare.rates import read_rates
from agents.errors import UsageError

HOUR = {"low": 1.0, "expected": 2.0, "high": 3.0}
RATE = {"usd_per_hour": HOUR, "source": "a list", "seen": "2026-02-28"}


def written(state, **change):
    (state / "rates.json").write_text(json.dumps({"oven": {**RATE, **change}}), encoding="utf-8")
    return state


@pytest.mark.parametrize("until", ["tomorrow", "9", "2026-02-30", "28.02.2026", "forever"])
def test_a_last_day_that_is_no_day_is_refused(tmp_path, until):
    with pytest.raises(UsageError, match=r"oven\.until"):
        read_rates(written(tmp_path, until=until))


@pytest.mark.parametrize("until", ["", "9999-12-31"])
def test_a_rate_holds_until_its_last_day_or_for_ever(tmp_path, until):
    assert read_rates(written(tmp_path, until=until))["oven"].per_second.high == 3 / 3600


def test_a_rate_whose_day_is_over_holds_no_more(tmp_path):
    assert read_rates(written(tmp_path, until="2026-02-28")) == {}


@pytest.mark.parametrize("price", ["2", True, None, [2]])
def test_a_price_that_is_no_number_is_refused(tmp_path, price):
    with pytest.raises(UsageError, match=r"usd_per_hour\.expected"):
        read_rates(written(tmp_path, usd_per_hour={**HOUR, "expected": price}))


@pytest.mark.parametrize("kind", ["directory", "loop"])
def test_what_cannot_be_read_is_named(tmp_path, kind):
    path = tmp_path / "rates.json"
    path.mkdir() if kind == "directory" else path.symlink_to(path.name)
    with pytest.raises(UsageError, match=r"rates\.json: ") as caught:
        read_rates(tmp_path)
    assert str(path) in caught.value.fix


def test_a_state_directory_that_is_a_file_holds_no_rates(tmp_path):
    (tmp_path / "state").write_text("", encoding="utf-8")
    assert read_rates(tmp_path / "state") == {}
