"""Commits hold our records and nothing of the user's, whatever state the repository is in."""

import random
from pathlib import Path

import pytest
from told import uncommitted, write_records

from agents.errors import ActionFailed
from agents.records import repository_state

ADR = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"
RECORDS = {ADR, "plans/INDEX.md", "agents-docs/learnings.md", "agents-docs/runs/r1.md"}
MESS_RECORDS = {path.replace("ADR-001", "ADR-091") for path in RECORDS}
MINE = "written by a person"


def test_by_default_the_records_stay_uncommitted(story, repository):
    story.train("r1")
    head = repository.git("rev-parse", "HEAD")
    write_records(story.events, repository.root)
    assert repository.git("rev-parse", "HEAD") == head
    assert repository.git("diff", "--cached", "--name-only") == ""


def test_a_commit_holds_exactly_the_records(story, repository):
    story.train("r1")
    write_records(story.events, repository.root, commit=True)
    assert set(repository.git("show", "--name-only", "--format=", "HEAD").split()) == RECORDS
    assert repository.git("status", "--porcelain") == ""
    head = repository.git("rev-parse", "HEAD")
    assert write_records(story.events, repository.root, commit=True) == []
    assert repository.git("rev-parse", "HEAD") == head


def test_records_that_were_left_uncommitted_can_be_committed_later(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    assert write_records(story.events, repository.root, commit=True) == []
    assert repository.git("status", "--porcelain") == ""
    listed = repository.git("log", "-1", "--format=%b").split("\n")
    assert {line[2:] for line in listed if line} == RECORDS


def test_records_are_said_to_be_uncommitted_until_they_are(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    assert uncommitted(story.events, repository.root) == [
        "agents-docs/learnings.md",
        "agents-docs/runs/r1.md",
        ADR,
        "plans/INDEX.md",
    ]
    write_records(story.events, repository.root, commit=True)
    assert uncommitted(story.events, repository.root) == []


def test_records_that_git_ignores_are_not_committed_in_silence(story, repository):
    repository.commit(".gitignore", "plans/\n")
    story.train("r1")
    with pytest.raises(ActionFailed, match=r"git ignores plans/ADR-001"):
        write_records(story.events, repository.root, commit=True)


def test_staged_and_unstaged_work_of_the_user_stays_as_it_is(story, repository):
    repository.commit("work.py", "a = 1\n")
    repository.write("work.py", f"a = 2  # {MINE}, staged\n")
    repository.git("add", "work.py")
    repository.write("work.py", f"a = 3  # {MINE}, not staged\n")
    repository.write("notes.txt", MINE)
    before = (repository.git("diff"), repository.git("diff", "--cached"))
    story.train("r1")
    write_records(story.events, repository.root, commit=True)
    assert (repository.git("diff"), repository.git("diff", "--cached")) == before
    assert MINE not in repository.git("show", "HEAD")
    assert repository.git("status", "--porcelain").split("\n") == [
        "MM work.py",
        "?? notes.txt",
        "",
    ]


def test_a_path_the_user_has_changed_is_refused_before_anything_is_written(story, repository):
    story.train("r1")
    write_records(story.events, repository.root, commit=True)
    repository.write(ADR, f"{repository.read(ADR)}\n{MINE}\n")
    story.train("r2")
    before = repository.files()
    with pytest.raises(ActionFailed, match="has changes of yours") as caught:
        write_records(story.events, repository.root, commit=True)
    assert caught.value.name == "commit_refused"
    assert repository.files() == before


@pytest.mark.parametrize("stage", [True, False])
def test_an_adr_of_the_user_at_our_path_is_refused(story, repository, stage):
    repository.write("agents-docs/learnings.md", f"# Learnings\n\n{MINE}\n")
    if stage:
        repository.git("add", "agents-docs/learnings.md")
    story.train("r1")
    with pytest.raises(ActionFailed, match="has changes of yours"):
        write_records(story.events, repository.root, commit=True)
    assert not (repository.root / "plans").exists()


def _merging(repository) -> None:
    repository.commit("a.txt", "1\n")
    repository.git("switch", "-q", "-c", "side", "HEAD~1")
    repository.commit("a.txt", "2\n")
    repository.git("merge", "-q", "main", check=False)


def _rebasing(repository) -> None:
    repository.commit("a.txt", "1\n")
    repository.git("switch", "-q", "-c", "side", "HEAD~1")
    repository.commit("a.txt", "2\n")
    repository.git("rebase", "-q", "main", check=False)


def _detached(repository) -> None:
    repository.git("switch", "-q", "--detach", "HEAD")


@pytest.mark.parametrize(
    ("into", "words"),
    [(_merging, "a merge is going on"), (_rebasing, "a rebase is"), (_detached, "detached")],
)
def test_a_repository_in_the_middle_of_something_is_refused(story, repository, into, words):
    into(repository)
    story.train("r1")
    before = repository.files()
    with pytest.raises(ActionFailed, match=words):
        write_records(story.events, repository.root, commit=True)
    assert repository.files() == before


def test_a_failing_hook_leaves_files_uncommitted_and_the_index_as_it_was(story, repository):
    hook = repository.write(".git/hooks/pre-commit", "#!/bin/sh\necho no cats today >&2\nexit 1\n")
    hook.chmod(0o755)
    repository.write("mine.txt", MINE)
    repository.git("add", "mine.txt")
    story.train("r1")
    with pytest.raises(ActionFailed, match="no cats today"):
        write_records(story.events, repository.root, commit=True)
    assert repository.git("diff", "--cached", "--name-only") == "mine.txt\n"
    assert (repository.root / ADR).exists()
    hook.unlink()
    write_records(story.events, repository.root, commit=True)
    assert MINE not in repository.git("show", "HEAD")


def test_a_folder_without_git_cannot_be_committed_but_can_be_written(story, tmp_path):
    story.train("r1")
    with pytest.raises(ActionFailed, match="not in a git repository"):
        write_records(story.events, tmp_path / "plain", commit=True)
    assert len(write_records(story.events, tmp_path / "plain")) == 4


def test_records_in_a_folder_inside_a_repository_are_committed_by_their_path(story, repository):
    story.train("r1")
    write_records(story.events, repository.root / "docs", commit=True)
    names = set(repository.git("show", "--name-only", "--format=", "HEAD").split())
    assert names == {f"docs/{path}" for path in RECORDS}


def test_the_state_of_a_repository_is_commit_dirty_flag_and_branch(repository, tmp_path):
    state = repository_state(repository.root)
    assert state is not None
    assert (state.commit, state.dirty, state.branch) == (
        repository.git("rev-parse", "HEAD").strip(),
        False,
        "main",
    )
    repository.write("new.txt", "x")
    repository.git("switch", "-q", "--detach")
    state = repository_state(repository.root)
    assert state is not None
    assert (state.dirty, state.branch) == (True, "")
    assert repository_state(tmp_path / "nowhere") is None


class _Mess:
    """Random work of a user, in every state git knows."""

    def __init__(self, repository, seed: int) -> None:
        self.repository = repository
        self.chance = random.Random(seed)
        self.places = ["work.py", "src/a.py", "plans/ADR-090-mine.md", "sp ace.txt", "ümlaut.txt"]
        for place in self.places:
            repository.commit(place, f"first {place}\n")

    def make(self, steps: int) -> None:
        for step in range(steps):
            act = self.chance.choice([self.edit, self.stage, self.add, self.remove, self.move])
            act(step)
        if self.chance.random() < 0.3:
            path = self.chance.choice(sorted(path for path in MESS_RECORDS if "ADR" not in path))
            self.repository.write(path, f"# Mine\n\n{MINE} in the way\n")
            if self.chance.random() < 0.5:
                self.repository.git("add", "--", path)

    def edit(self, step: int) -> None:
        path = self.chance.choice(self.places)
        self.repository.write(path, f"{MINE} {step}\n")

    def stage(self, step: int) -> None:
        self.edit(step)
        self.repository.git("add", "--all", "--", *self.existing())

    def add(self, step: int) -> None:
        path = f"{self.chance.choice(['', 'plans/', 'agents-docs/runs/'])}new{step}.txt"
        self.repository.write(path, f"{MINE} {step}\n")
        if self.chance.random() < 0.3:
            self.repository.git("add", "-N", "--", path)

    def remove(self, step: int) -> None:
        existing = self.existing()
        if len(existing) > 1:
            self.repository.git(
                *(["rm", "-qf", "--"] if step % 2 else ["rm", "-qf", "--cached", "--"]),
                existing[0],
                check=False,
            )

    def move(self, step: int) -> None:
        existing = self.existing()
        if existing:
            self.repository.git("mv", "-f", existing[-1], f"moved{step}.txt", check=False)

    def existing(self) -> list[str]:
        return [path for path in self.places if (self.repository.root / path).exists()]


def _users_view(repository) -> tuple[dict[str, bytes], list[str], str]:
    """Files, status and index of everything that is not a record."""
    status = [
        entry
        for entry in repository.git("status", "--porcelain", "-z", "-uall").split("\0")
        if entry[3:] not in MESS_RECORDS
    ]
    files = {path: data for path, data in repository.files().items() if path not in MESS_RECORDS}
    staged = repository.git("ls-files", "-s")
    others = "\n".join(
        line for line in staged.splitlines() if line.split("\t")[1] not in MESS_RECORDS
    )
    return files, status, others


def _commit_in_a_mess(story, repository, seed: int) -> bool:
    """Whether the records were committed; fails when a byte of the user moved."""
    mess = _Mess(repository, seed)
    mess.make(steps=6)
    head = repository.git("rev-parse", "HEAD").strip()
    before, all_before = _users_view(repository), repository.files()
    try:
        write_records(story.events, repository.root, commit=True)
    except ActionFailed as refusal:
        error = refusal
    else:
        error = None
    if error is not None:
        assert error.name == "commit_refused", error.message
        assert repository.git("rev-parse", "HEAD").strip() == head
        assert repository.files() == all_before
        return False
    names = repository.git("show", "--name-only", "--format=", "-z", "HEAD").split("\0")
    assert {name for name in names if name} <= MESS_RECORDS
    assert MINE not in repository.git("show", "HEAD")
    assert _users_view(repository) == before
    return True


def _sweep(story, tmp_path: Path, make_repository, seeds: range) -> tuple[int, int]:
    story.train("r1")
    committed = 0
    for seed in seeds:
        repository = make_repository(tmp_path / f"mess{seed}")
        repository.commit("README.md", "# Cats\n")
        committed += _commit_in_a_mess(story, repository, seed)
    return committed, len(seeds) - committed


def test_random_dirty_trees_lose_no_byte_of_the_user_to_a_commit(story, tmp_path, repository):
    committed, refused = _sweep(story, tmp_path, type(repository), range(8))
    assert committed > 0
    assert refused > 0


@pytest.mark.slow
def test_two_hundred_random_dirty_trees_lose_no_byte_of_the_user(story, tmp_path, repository):
    committed, refused = _sweep(story, tmp_path, type(repository), range(200))
    print(f"200 dirty trees: {committed} committed, {refused} refused, 0 bytes of the user taken")
    assert committed > 60
    assert refused > 20
