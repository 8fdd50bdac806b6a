"""`adr check` in a repository of sixty ADRs of mixed styles."""

import json
import os
import random

import pytest
from told import write_records

from agents.cli.main import invoke
from agents.errors import ActionFailed
from agents.records.adr.by_hand import accept_adr, new_adr, write_index
from agents.records.adr.consistency import check_adrs
from agents.records.adr.documents import read_adrs

STATUSES = (
    "Accepted",
    "Accepted (2026-02-24, Ada)",
    "✅ Implemented",
    "Proposed",
    "Draft",
    "In Progress",
    "Rejected",
    "Deprecated",
)
"""And the ninth: superseded."""


def styled(number: int, status: str, relation: str, style: int, day: str = "2026-02-24") -> str:
    """One ADR in one of six styles found in the wild; without a day it states no date."""
    title = f"ADR-{number:03d}: Choose thing {number}"
    section = f"## Date\n\n{day}\n\n" if day else ""
    bold, plain = (f"**Date:** {day}\n", f"date: {day}\n") if day else ("", "")
    body = (
        "## Context\n\nWe once thought this would supersede ADR-002.\n\n"
        "```\n## Status\nSuperseded by ADR-999\n# ADR-777: not a heading\n```\n\n"
        "## Decision\n\nStatus: irrelevant here\n"
    )
    if style == 0:
        return f"# {title}\n\n## Status\n{status}\n\n{relation}\n\n{section}{body}"
    if style == 1:
        related = f"**Related:** {relation}\n" if relation else ""
        return f"# {title}\n\n{bold}**Status:** {status}\n{related}\n{body}"
    if style == 2:
        related = f"- **Related:** {relation}\n" if relation else ""
        listed = f"- {bold}" if day else ""
        return f"# {title}\n\n- **Status:** {status}\n{listed}{related}\n{body}"
    if style == 3:
        related = f"related: {relation}\n" if relation else ""
        return f"---\nstatus: {status.lower()}\n{plain}{related}---\n\n# {title}\n\n{body}"
    if style == 4:
        text = f"# {number}. Choose thing\n\n{plain.title()}\n## Status\n\n{status}\n\n{relation}\n"
        return text.replace("\n", "\r\n")
    links = f"## Related\n\n- {relation or 'none'}\n"
    return f"# {title}\n\n{bold}**Status**: {status}\n\n{body}\n{links}"


def sixty(seed: int) -> dict[str, tuple[int, str, str, int]]:
    """Sixty sound ADRs, every tenth superseding the one before it on both sides."""
    chance = random.Random(seed)
    made = {}
    for number in range(1, 61):
        status, relation = chance.choice(STATUSES), ""
        if number % 10 == 9:
            status = f"Superseded by ADR-{number + 1:03d}"
        if number % 10 == 0:
            link = f"[ADR-{number - 1:03d}](ADR-{number - 1:03d}-thing.md)"
            relation = f"Supersedes {link}"
        path = f"plans/ADR-{number:03d}-thing{chance.choice(['', '-Caps', '-5.8'])}.md"
        made[path] = (number, status, relation, chance.randrange(6))
    return made


@pytest.fixture
def mixed(repository):
    for path, adr in sixty(7).items():
        repository.write(path, styled(*adr))
    repository.write("plans/GOAP.md", "# Not an ADR\n")
    return repository


def test_sixty_sound_adrs_of_six_styles_have_no_finding(mixed):
    documents = read_adrs(mixed.root)
    assert len(documents) == 60
    assert all(each.status and each.title and each.date for each in documents)
    assert {status.split("(")[0].split("[")[0].strip().lower() for status in STATUSES} <= {
        each.status.split("(")[0].strip().lower() for each in documents
    }
    assert check_adrs(mixed.root) == []


@pytest.mark.parametrize("seed", range(5))
def test_exactly_the_planted_faults_are_named_and_no_byte_changes(repository, seed):
    adrs = sixty(seed)
    paths = list(adrs)
    adrs["plans/ADR-014-another-fourteen.md"] = (14, "Accepted", "", seed % 6)
    number, status, _, style = adrs[paths[19]]
    adrs[paths[19]] = (number, status, "", style)  # 19 says superseded by 20, 20 says nothing
    adrs[paths[24]] = (25, "Accepted", "Supersedes ADR-024", seed % 6)
    adrs[paths[30]] = (31, "Superseded by ADR-404", "", (seed + 1) % 6)
    for path, adr in adrs.items():
        repository.write(path, styled(*adr))
    repository.write(paths[40], "# ADR-041: No state\n\n**Date:** 2026-01-01\n\nJust words.\n")
    repository.write(paths[44], styled(54, "Accepted", "", 1))
    for place in (50, 51, 52):
        repository.write(paths[place], styled(place + 1, "Accepted", "", (place + seed) % 6, ""))
    before = repository.files()
    found = [(each.kind, each.path) for each in check_adrs(repository.root)]
    doubled = max(paths[13], "plans/ADR-014-another-fourteen.md")
    assert sorted(found) == sorted(
        [
            ("duplicate_number", doubled),
            ("one_sided", paths[18]),
            ("one_sided", paths[24]),
            ("dangling", paths[30]),
            ("no_status", paths[40]),
            ("number_mismatch", paths[44]),
            ("no_date", paths[50]),
            ("no_date", paths[51]),
            ("no_date", paths[52]),
        ]
    )
    assert repository.files() == before
    print(f"{len(read_adrs(repository.root))} ADRs read, {len(found)} faults planted and named")


def test_writing_records_changes_no_byte_of_sixty_adrs_of_people(mixed, story):
    before = mixed.files()
    story.train("r1")
    changed = {change.path.as_posix() for change in write_records(story.events, mixed.root)}
    assert "plans/ADR-061-promote-a-dit-trained-on-catfaces64.md" in changed
    after = mixed.files()
    assert {path: after[path] for path in before} == before


def test_what_cannot_be_read_is_named_and_stops_nothing(repository, capsys):
    repository.write("plans/ADR-001-good.md", styled(1, "Accepted", "", 1))
    repository.write("plans/ADR-002-huge.md", "x" * 4_000_001)
    (repository.root / "plans/ADR-003-gone.md").symlink_to("nowhere")
    (repository.root / "plans/ADR-004-folder.md").mkdir()
    os.mkfifo(repository.root / "plans/ADR-005-pipe.md")
    latin = "# ADR-006: Café\n\n**Date:** 2026-01-01\n**Status:** Accepted\n".encode("latin-1")
    (repository.root / "plans/ADR-006-latin.md").write_bytes(latin)
    found = [(each.kind, each.path[6:13]) for each in check_adrs(repository.root)]
    assert found == [("unreadable", f"ADR-{number:03d}") for number in (2, 3, 4, 5)]
    assert new_adr(repository.root, "Next", author="Ada").name == "ADR-007-next.md"
    assert "ADR-006-latin" in write_index(repository.root)[0].after
    assert (repository.root / "plans/ADR-006-latin.md").read_bytes() == latin
    for command in (["check"], ["list"], ["show", "6"]):
        code = invoke(lambda: None, ["adr", *command, f"repo={repository.root}", "--json"])
        document = json.loads(capsys.readouterr().out)
        assert (document["ok"], code) == (True, 1 if command == ["check"] else 0)


def test_records_are_not_written_through_a_link_or_where_they_cannot_be(repository, tmp_path):
    elsewhere = repository.write("elsewhere.md", styled(1, "Proposed", "", 1))
    (repository.root / "plans").mkdir()
    (repository.root / "plans/ADR-001-link.md").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    with pytest.raises(ActionFailed, match=r"ADR-001-link\.md cannot be written: it is a symbolic"):
        accept_adr(repository.root, 1, by="Ada")
    assert elsewhere.read_bytes() == before
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/plans").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(ActionFailed, match="cannot be written"):
        new_adr(tmp_path / "blocked", "Next", author="Ada")


def test_a_circle_of_supersessions_is_named(repository):
    for number, other in ((1, 2), (2, 1)):
        text = styled(number, f"Superseded by ADR-{other:03d}", f"supersedes ADR-{other:03d}", 1)
        repository.write(f"plans/ADR-{number:03d}-x.md", text)
    assert [each.kind for each in check_adrs(repository.root)] == ["circular", "circular"]


def test_edited_and_broken_regions_are_named_with_their_line(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    path = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"
    text = repository.read(path).replace("0.41803", "0.1")
    repository.write(path, text.replace("<!-- goap:end references -->\n", ""))
    found = [(each.kind, each.line) for each in check_adrs(repository.root)]
    lines = text.splitlines()
    edited = next(i for i, line in enumerate(lines, 1) if "goap:begin evidence/" in line)
    broken = next(i for i, line in enumerate(lines, 1) if "goap:begin references" in line)
    assert found == [("edited", edited), ("broken_region", broken)]


def test_two_valid_adrs_for_one_decision_are_named(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    path = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"
    repository.write("plans/ADR-002-copy.md", repository.read(path))
    kinds = [each.kind for each in check_adrs(repository.root)]
    assert kinds == ["number_mismatch", "same_decision"]
