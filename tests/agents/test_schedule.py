"""Schedules: intervals, times of day and cron lines, in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.declare.schedule import cron, daily, every
from agents.errors import UsageError


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_interval_does_not_shift_when_the_watcher_restarts():
    quarter = every("15m")
    assert quarter.latest(at("2026-03-01T10:14:59")) == at("2026-03-01T10:00")
    assert quarter.latest(at("2026-03-01T10:15:00")) == at("2026-03-01T10:15")
    assert quarter.following(at("2026-03-01T10:15:00")) == at("2026-03-01T10:30")


def test_daily_is_due_once_a_day():
    morning = daily("06:30")
    assert morning.latest(at("2026-03-01T06:29")) == at("2026-02-28T06:30")
    assert morning.following(at("2026-03-01T06:30")) == at("2026-03-02T06:30")


@pytest.mark.parametrize(
    ("line", "now", "next_due"),
    [
        ("*/20 * * * *", "2026-03-01T10:05", "2026-03-01T10:20"),
        ("0 6 * * mon-fri", "2026-03-06T06:00", "2026-03-09T06:00"),
        ("0 0 1 jan *", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00", "2028-02-29T00:00"),
        ("15,45 8-10/2 * * *", "2026-03-01T08:45", "2026-03-01T10:15"),
        ("0 12 * * 7", "2026-03-02T00:00", "2026-03-08T12:00"),
        # either the thirteenth or a Friday, as cron has it
        ("0 0 13 * fri", "2026-03-02T00:00", "2026-03-06T00:00"),
        ("0 0 13 * fri", "2026-04-11T00:00", "2026-04-13T00:00"),
        ("59 23 31 12 *", "2026-12-31T23:58", "2026-12-31T23:59"),
    ],
)
def test_a_cron_line_is_due_when_cron_would_run_it(line, now, next_due):
    assert cron(line).following(at(now)) == at(next_due)
    assert cron(line).latest(at(next_due)) == at(next_due)


@pytest.mark.parametrize(
    "line",
    [
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "a * * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 30 2 *",
        "* * * 13 *",
        "* * * * 8",
        "",
        "- * * * *",
    ],
)
def test_a_cron_line_that_makes_no_sense_is_refused_when_it_is_declared(line):
    with pytest.raises(UsageError):
        cron(line)


@pytest.mark.parametrize("text", ["", "5", "0m", "-1h", "1w", "1.5h"])
def test_an_interval_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError):
        every(text)


@pytest.mark.parametrize("text", ["24:00", "6:30", "06:60", "noon"])
def test_a_time_of_day_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError):
        daily(text)


MOMENTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda n: datetime.fromtimestamp(n, UTC))
SCHEDULES = st.sampled_from(
    [every("90s"), every("6h"), daily("06:30"), cron("*/7 3,4 1-9 * *"), cron("0 0 29 2 *")]
)


@given(SCHEDULES, MOMENTS)
def test_nothing_is_due_between_the_latest_and_the_following_moment(schedule, now):
    latest, following = schedule.latest(now), schedule.following(now)
    assert latest <= now < following
    assert schedule.following(latest) == following
    assert schedule.latest(following - timedelta(microseconds=1)) == latest
