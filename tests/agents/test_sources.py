"""Sources of events: what happened outside, found again after a restart, and written once."""

import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from git import Repo

from agents.declare.schedule import daily
from agents.declare.triggers import on
from agents.errors import UsageError
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger
from agents.watching.clock import ScheduleSource
from agents.watching.files import FileSource
from agents.watching.git import GitSource
from agents.watching.source import Place
from agents.watching.sources import SOURCES, opened

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def repo(tmp_path):
    with Repo.init(tmp_path / "repo", initial_branch="main") as repo:
        with repo.config_writer() as config:
            config.set_value("user", "name", "A")
            config.set_value("user", "email", "a@example.org")
        commit(repo, "README.md")
        yield repo


@pytest.fixture
def git_source():
    """Makes sources; the processes of git that each keeps end with the test."""
    with ExitStack() as made:
        yield lambda *words: made.enter_context(closing(GitSource(*words)))


def commit(repo, *names):
    for name in names:
        path = Path(repo.working_dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("more\n")
    repo.index.add(list(names))
    return repo.index.commit(f"change {names[0]}").hexsha


def commits(ledger):
    return [
        (event.data["commit"], event.data["paths"])
        for event in ledger.events(types=("git.commit",))
    ]


def test_commits_since_the_first_look_are_events_with_the_paths_they_touch(
    git_source, ledger, repo
):
    source = git_source(repo.working_dir)
    source.poll(ledger, NOW)
    assert commits(ledger) == []
    first, second = commit(repo, "training/a.py", "b c.md"), commit(repo, "training/a.py")
    source.poll(ledger, NOW)
    source.poll(ledger, NOW)
    assert commits(ledger) == [(first, ["b c.md", "training/a.py"]), (second, ["training/a.py"])]


def test_commits_made_while_nobody_watched_are_found_by_the_next_watcher_once(
    git_source, ledger, repo
):
    git_source(repo.working_dir).poll(ledger, NOW)
    made = commit(repo, "training/a.py")
    # two watchers at once write the same event
    git_source(repo.working_dir).poll(ledger, NOW)
    git_source(repo.working_dir).poll(ledger, NOW)
    assert commits(ledger) == [(made, ["training/a.py"])]


def test_a_merge_counts_as_what_it_brought_to_the_branch(git_source, ledger, repo):
    source = git_source(repo.working_dir)
    source.poll(ledger, NOW)
    repo.git.checkout("-b", "draft")
    commit(repo, "training/a.py")
    repo.git.checkout("main")
    source.poll(ledger, NOW)
    assert commits(ledger) == []
    repo.git.merge("--no-ff", "-m", "merge", "draft")
    source.poll(ledger, NOW)
    assert [paths for _, paths in commits(ledger)] == [["training/a.py"], ["training/a.py"]]


def test_a_branch_that_was_rewritten_still_shows_where_it_is_now(git_source, ledger, repo):
    source = git_source(repo.working_dir, "main")
    commit(repo, "a.md")
    source.poll(ledger, NOW)
    repo.git.reset("--hard", "HEAD~1")
    made = commit(repo, "training/b.py")
    source.poll(ledger, NOW)
    assert commits(ledger) == [(made, ["training/b.py"])]


def test_a_branch_without_commits_and_a_folder_without_git_are_no_crash(
    git_source, ledger, tmp_path
):
    with Repo.init(tmp_path / "empty", initial_branch="main") as empty:
        source = git_source(empty.working_dir)
        source.poll(ledger, NOW)
        assert ledger.events() == []
    with pytest.raises(UsageError, match="no git repository"):
        GitSource(tmp_path / "elsewhere")


def test_files_that_changed_are_one_event_with_their_names(ledger, tmp_path):
    root = tmp_path / "photos"
    (root / ".hidden").mkdir(parents=True)
    (root / "a.jpg").write_bytes(b"a")
    source = FileSource(root, ("**/*.jpg",))
    source.poll(ledger, NOW)
    source.poll(ledger, NOW)
    assert [event.type for event in ledger.events()] == ["file.seen"]
    (root / "b.jpg").write_bytes(b"b")
    (root / "notes.txt").write_bytes(b"not a photo")
    (root / ".hidden" / "c.jpg").write_bytes(b"c")
    source.poll(ledger, NOW)
    source.poll(ledger, NOW)
    changed = ledger.events(types=("file.changed",))
    assert [event.data["paths"] for event in changed] == [["b.jpg"]]
    (root / "a.jpg").unlink()
    # a watcher that was not there when it happened sees it all the same
    FileSource(root, ("**/*.jpg",)).poll(ledger, NOW)
    assert len(ledger.events(types=("file.changed",))) == 2


def test_the_operating_system_wakes_who_waits_for_files(tmp_path):
    woken = threading.Event()
    source = FileSource(tmp_path, ("*.jpg",), woken.set)
    for number in range(1200):  # two minutes: whoever is woken later is not woken
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
        if woken.wait(0.1):
            break
    source.close()
    assert woken.is_set()


def test_a_schedule_that_was_missed_is_due_once_and_not_before_it_was_first_seen(ledger):
    ScheduleSource(daily("06:30")).poll(ledger, NOW)
    assert ledger.events(types=("schedule.due",)) == []
    week_later = NOW.replace(day=8)
    # nobody watched for a week; two watchers then start at once
    ScheduleSource(daily("06:30")).poll(ledger, week_later)
    ScheduleSource(daily("06:30")).poll(ledger, week_later)
    due = ledger.events(types=("schedule.due",))
    assert [event.data["due"] for event in due] == ["2026-03-08T06:30:00.000Z"]
    assert "next 2026-03-09 06:30:00 UTC" in ScheduleSource(daily("06:30")).waiting(week_later)


def test_a_day_in_a_time_zone_is_due_once_also_when_clocks_are_set_and_nobody_watched(ledger):
    trigger = on(daily="02:30", zone="Europe/Zurich")
    source = ScheduleSource.open(trigger, Place(Path()))
    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC)
    for hour in (0, 1, 2, 3, 4, 28, 100):
        source.poll(ledger, midnight + timedelta(hours=hour))
        # another one, which has just begun
        ScheduleSource.open(trigger, Place(Path())).poll(ledger, midnight + timedelta(hours=hour))
    due = ledger.events(types=("schedule.due",))
    days = [(event.data["due"][:16], trigger.matches(event)) for event in due]
    assert days == [
        (f"2026-10-{day}T0{hour}:30", True) for day, hour in ((25, 0), (26, 1), (29, 1))
    ]
    assert source.waiting(midnight).endswith("next 2026-10-25 02:30:00 CEST")


def test_a_clock_that_was_ahead_for_a_while_silences_no_schedule(ledger):
    source = ScheduleSource(daily("06:30"))
    for now in (NOW, NOW.replace(year=2027), NOW.replace(day=2), NOW.replace(day=3), NOW):
        source.poll(ledger, now)
    due = [event.data["due"][:10] for event in ledger.events(types=("schedule.due",))]
    assert due == ["2027-03-01", "2026-03-02", "2026-03-03", "2026-03-01"]


class Bell:
    """A source of a kind the engine does not have: a file that somebody makes is a ring."""

    def __init__(self, file):
        self.file, self.closed = file, False

    @staticmethod
    def serves(trigger, place):
        return place.root if trigger.event == "bell.rung" else None

    @classmethod
    def open(cls, trigger, place):
        return cls(place.root / trigger.where[0][1])

    @property
    def source(self):
        return f"bell:{self.file}"

    def poll(self, ledger, now):
        if self.file.exists():
            rung = Foreign(of_type="bell.rung", data={"door": self.file.name})
            ledger.receive(new_event(rung, source=self.source, id="1", clock=lambda: now))

    def waiting(self, now):
        return f"a ring at {self.file.name} after {now:%H:%M}"

    def close(self):
        self.closed = True


def test_a_source_of_another_kind_is_a_class_that_says_what_it_serves(ledger, tmp_path):
    front = on("bell.rung", where={"door": "front"})
    watched = [(front, Place(tmp_path)), (on("guest.arrived"), Place(tmp_path))]
    (tmp_path / "front").touch()
    with opened([*watched, *watched], print, (*SOURCES, Bell)) as sources:
        (bell,) = sources
        bell.poll(ledger, NOW)
    assert bell.closed
    (event,) = ledger.events(types=("bell.rung",))
    assert front.matches(event)


def test_a_trigger_is_served_by_the_source_it_names_and_two_of_the_same_share_one(repo, tmp_path):
    here, told = Place(Path(repo.working_dir)), []
    triggers = [on("git.commit", paths="a/**"), on("git.commit"), on(daily="06:30"), on("x")]
    nowhere = Place(tmp_path / "nowhere")
    watched = [*((each, here) for each in triggers), (triggers[0], nowhere), (triggers[2], nowhere)]
    watched.append((on("file.changed", paths="*.py"), here))
    with opened(watched, told.append) as sources:
        kinds = sorted(type(each).__name__ for each in sources)
    assert kinds == ["FileSource", "GitSource", "ScheduleSource"]
    (problem,) = told
    assert "nowhere" in problem
