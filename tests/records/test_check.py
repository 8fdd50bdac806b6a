"""`adr check` in a repository of sixty ADRs of mixed styles."""

import random

import pytest

from agents.records import write_records
from agents.records.check import check_adrs
from agents.records.documents import read_adrs

STATUSES = ("Accepted", "Proposed", "Implemented", "Rejected")


def styled(number: int, status: str, relation: str, style: int) -> str:
    """One ADR in one of six styles found in the wild."""
    title = f"ADR-{number:03d}: Choose thing {number}"
    body = (
        "## Context\n\nWe once thought this would supersede ADR-002.\n\n"
        "```\n## Status\nSuperseded by ADR-999\n# ADR-777: not a heading\n```\n\n"
        "## Decision\n\nStatus: irrelevant here\n"
    )
    if style == 0:
        return f"# {title}\n\n## Status\n{status}\n\n{relation}\n\n{body}"
    if style == 1:
        related = f"**Related:** {relation}\n" if relation else ""
        return f"# {title}\n\n**Date:** 2026-02-24\n**Status:** {status}\n{related}\n{body}"
    if style == 2:
        related = f"- **Related:** {relation}\n" if relation else ""
        return f"# {title}\n\n- **Status:** {status}\n- **Date:** 2026-07-07\n{related}\n{body}"
    if style == 3:
        related = f"related: {relation}\n" if relation else ""
        return (
            f"---\nstatus: {status.lower()}\ndate: 2026-01-01\n{related}---\n\n# {title}\n\n{body}"
        )
    if style == 4:
        return f"# {number}. Choose thing\r\n\r\n## Status\r\n\r\n{status}\r\n\r\n{relation}\r\n"
    return f"# {title}\n\n**Status**: {status}\n\n{body}\n## Related\n\n- {relation or 'none'}\n"


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
    assert all(document.status and document.title for document in documents)
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
    repository.write(paths[40], "# ADR-041: No state\n\nJust words.\n")
    repository.write(paths[44], styled(54, "Accepted", "", 1))
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
        ]
    )
    assert repository.files() == before


def test_writing_records_changes_no_byte_of_sixty_adrs_of_people(mixed, story):
    before = mixed.files()
    story.train("r1")
    changed = {change.path.as_posix() for change in write_records(story.events, mixed.root)}
    assert "plans/ADR-061-promote-a-dit-trained-on-catfaces64.md" in changed
    after = mixed.files()
    assert {path: after[path] for path in before} == before


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
