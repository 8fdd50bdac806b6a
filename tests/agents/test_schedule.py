"""Schedules: intervals, times of day and cron lines, in UTC and in time zones."""

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
    [
        *(every("90s"), every("6h"), daily("06:30"), cron("*/7 3,4 1-9 * *"), cron("0 0 29 2 *")),
        *(daily("02:30", zone) for zone in ("Europe/Zurich", "America/New_York", "Asia/Tehran")),
        *(cron("*/20 1-3 * * *", zone) for zone in ("Australia/Lord_Howe", "Antarctica/Troll")),
        *(cron("5,35 0 * * *", zone) for zone in ("Africa/Cairo", "Asia/Kolkata")),
        *(cron("@weekly", "Africa/Cairo"), cron("@yearly", "Pacific/Apia")),
    ]
)


@given(SCHEDULES, MOMENTS)
def test_nothing_is_due_between_the_latest_and_the_following_moment(schedule, now):
    latest, following = schedule.latest(now), schedule.following(now)
    assert latest <= now < following
    assert schedule.following(latest) == following
    assert schedule.latest(following - timedelta(microseconds=1)) == latest


NIGHTS = [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]


def due_in(schedule, night):
    """All that is due from an hour before a night's midnight in UTC to five hours after."""
    found, moment = [], night - timedelta(hours=1)
    while (moment := schedule.following(moment)) < night + timedelta(hours=5):
        found.append(f"{moment:%H:%M}")
    return found


@pytest.mark.parametrize(
    ("line", "spring", "autumn"),
    [
        # in Zurich 02:00 to 03:00 is left out in spring, and comes twice in autumn
        ("30 2 * * *", ["01:00"], ["00:30"]),
        ("0 3 * * *", ["01:00"], ["02:00"]),
        ("30 1 * * *", ["00:30"], ["23:30"]),
        ("0 2-4 * * *", ["01:00", "02:00"], ["00:00", "02:00", "03:00"]),
        ("15 * * * *", *[[f"{hour:02}:15" for hour in (23, 0, 1, 2, 3, 4)]] * 2),
    ],
)
def test_what_is_due_when_clocks_are_set_is_due_once(line, spring, autumn):
    schedule = cron(line, "Europe/Zurich")
    assert [due_in(schedule, night) for night in NIGHTS] == [spring, autumn]


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("line", ["30 2 * * *", "*/20 2 * * *", "*/20 * * * *", "7 1-3 * * *"])
def test_latest_and_following_agree_at_each_minute_of_a_night_when_clocks_are_set(line, night):
    schedule = cron(line, "Europe/Zurich")
    for minute in range(0, 240, 5):
        now = night + timedelta(minutes=minute)
        latest, following = schedule.latest(now), schedule.following(now)
        assert latest <= now < following
        assert schedule.following(latest) == following


@pytest.mark.parametrize(
    ("name", "next_due"),
    [
        ("@hourly", "2026-07-01T10:00"),
        ("@daily", "2026-07-01T22:00"),
        ("@midnight", "2026-07-01T22:00"),
        ("@weekly", "2026-07-04T22:00"),
        ("@monthly", "2026-07-31T22:00"),
        ("@yearly", "2026-12-31T23:00"),
    ],
)
def test_the_names_of_cron_are_known_and_a_day_begins_where_its_people_live(name, next_due):
    schedule = cron(name, "Europe/Zurich")
    assert schedule.following(at("2026-07-01T09:30")) == at(next_due)
    assert schedule.text == f"cron {name} Europe/Zurich"


@pytest.mark.parametrize("zone", ["Europe/Zurch", "Europe", "../etc/passwd", "/etc", "CET+1", "\0"])
def test_a_time_zone_that_is_none_is_refused_when_it_is_declared(zone):
    with pytest.raises(UsageError, match="no time zone"):
        daily("06:30", zone)


@pytest.mark.parametrize("name", ["@reboot", "@fortnightly"])
def test_a_name_that_is_no_time_is_refused_with_what_to_write(name):
    with pytest.raises(UsageError) as caught:
        cron(name)
    assert "@daily" in caught.value.fix or "watch.started" in caught.value.fix
