"""What a person may tell the records to do."""

from datetime import UTC, date, datetime

import pytest
from told import madr_text, outdated, verify_records, write_records

from agents.errors import ActionFailed, UsageError
from agents.records.adr.by_hand import (
    accept_adr,
    list_adrs,
    new_adr,
    supersede_adr,
    write_index,
)
from agents.records.adr.consistency import check_adrs
from agents.records.adr.documents import read_adrs
from agents.records.learnings.entries import archive_learnings, list_learnings
from agents.records.places import ARCHIVE_PATH

ADR = "plans/ADR-001-promote-a-dit-trained-on-catfaces64.md"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_new_adr_has_the_next_number_a_date_and_all_sections(repository):
    repository.write(
        "plans/ADR-041-old.md", "# ADR-041: Old\n\n**Date:** 2026-01-01\n\n## Status\nAccepted\n"
    )
    path = new_adr(repository.root, "Use SQLite: *the* ledger", author="Ada", clock=lambda: NOON)
    assert path.as_posix() == "plans/ADR-042-use-sqlite-the-ledger.md"
    text = repository.read(path.as_posix())
    assert text.startswith("# ADR-042: Use SQLite: \\*the\\* ledger\n\n**Date:** 2026-03-01\n")
    assert "**Status:** Proposed\n**Authors:** Ada\n" in text
    assert check_adrs(repository.root) == []


def test_a_new_adr_in_madr_is_read_back_with_its_status(repository):
    new_adr(repository.root, "Use SQLite", author="Ada", format="madr", clock=lambda: NOON)
    (document,) = list_adrs(repository.root)
    assert (document.number, document.title) == (1, "Use SQLite")
    assert (document.status, document.date) == ("proposed", "2026-03-01")
    assert "## Considered Options" in document.text
    assert check_adrs(repository.root) == []


def test_an_adr_without_title_is_refused(repository):
    with pytest.raises(UsageError, match="needs a title"):
        new_adr(repository.root, "  ", author="Ada")


def test_accepting_changes_status_and_index_and_survives_the_next_run(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    changes = accept_adr(repository.root, 1, by="Ada <ada@example.org>", clock=lambda: NOON)
    assert [change.path.as_posix() for change in changes] == [ADR, "plans/INDEX.md"]
    assert "**Status:** Accepted (2026-03-01, Ada ada@example.org)\n" in repository.read(ADR)
    assert outdated(story.events, repository.root) == []
    assert verify_records(story.events, repository.root).ok
    story.train("r2")
    write_records(story.events, repository.root)
    assert "**Status:** Accepted (2026-03-01" in repository.read(ADR)
    assert accept_adr(repository.root, 1, by="Bob", clock=lambda: NOON) == []


def test_a_status_that_somebody_typed_in_is_not_an_acceptance(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    typed = repository.read(ADR).replace("**Status:** Proposed", "**Status:** Accepted")
    repository.write(ADR, typed)
    for mode in ("refuse", "adopt"):
        with pytest.raises(ActionFailed, match=r"-\*\*Status:\*\* Accepted"):
            write_records(story.events, repository.root, edited=mode)
    write_records(story.events, repository.root, edited="force")
    assert "**Status:** Proposed" in repository.read(ADR)


def test_a_failed_gate_can_never_be_accepted(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    accept_adr(repository.root, 1, by="Ada", clock=lambda: NOON)
    story.train("r2", correlation=0.1)
    write_records(story.events, repository.root)
    assert "**Status:** Proposed (a gate failed)" in repository.read(ADR)
    with pytest.raises(ActionFailed, match="has a failed gate") as caught:
        accept_adr(repository.root, 1, by="Ada")
    assert caught.value.name == "not_confirmed"


def test_a_policy_accepts_only_what_a_gate_confirms(story, repository, outcome_of_training):
    ungated = outcome_of_training("r1").model_copy(update={"gates": ()})
    story.begin("r1")
    story.finish_step("r1", "train", ungated)
    story.train("r2", decision="Use the average.")
    write_records(story.events, repository.root)
    with pytest.raises(UsageError, match="is superseded"):
        accept_adr(repository.root, 1, by="gates", policy=True)
    accept_adr(repository.root, 2, by="gates", policy=True, clock=lambda: NOON)
    statuses = [document.status for document in read_adrs(repository.root)]
    assert statuses[1] == "Accepted (2026-03-01, policy gates)"


def test_a_policy_does_not_accept_what_no_gate_confirms(story, repository, outcome_of_training):
    story.begin("r1")
    ungated = outcome_of_training("r1").model_copy(update={"gates": ()})
    story.finish_step("r1", "train", ungated)
    write_records(story.events, repository.root)
    with pytest.raises(ActionFailed, match="no gate that a policy"):
        accept_adr(repository.root, 1, by="gates", policy=True)


def test_accepted_text_is_frozen_while_evidence_lives_on(story, repository):
    from agents.records.text.regions import parse, region_text, replace

    story.train("r1")
    write_records(story.events, repository.root)
    accept_adr(repository.root, 1, by="Ada", clock=lambda: NOON)
    text = repository.read(ADR)
    region = parse(text).get("decision")
    older = region_text("decision", region.body.replace("## Context", "## Context of old"))
    repository.write(ADR, replace(text, region, older))  # as an older template wrote it
    assert outdated(story.events, repository.root) == []
    story.train("r2", loss=0.2)
    write_records(story.events, repository.root)
    assert "## Context of old" in repository.read(ADR)
    assert "| loss_final | 0.2 |" in repository.read(ADR)


STYLES = {
    "section": "# ADR-{n}: X\r\n\r\nDate: 2026-01-01\r\n\r\n## Status\r\nAccepted\r\n",
    "bold": "# ADR-{n}: X\n\n**Date:** 2026-01-01\n**Status:** Accepted\n\n## Status quo\n\nX\n",
    "list": "# ADR-{n}: X\n\n- **Status:** Accepted\n- Date: 2026-01-01\n- **Related:** ADR-007\n",
    "front": "---\nstatus: accepted\ndate: 2026-01-01\n---\n\n# X\n\n## Context\n",
}


@pytest.mark.parametrize("old", STYLES)
@pytest.mark.parametrize("new", STYLES)
def test_superseding_writes_both_sides_in_any_style_and_nothing_else(repository, old, new):
    repository.write("plans/ADR-001-old.md", STYLES[old].format(n="001"))
    repository.write("plans/ADR-002-new.md", STYLES[new].format(n="002"))
    lines = [repository.read(f"plans/ADR-00{n}").splitlines() for n in ("1-old.md", "2-new.md")]
    assert len(supersede_adr(repository.root, 1, 2)) == 2
    first, second = read_adrs(repository.root)
    assert first.superseded_by == (2,)
    assert second.supersedes == (1,)
    assert check_adrs(repository.root) == []
    assert len(set(first.text.splitlines()) - set(lines[0])) == 1
    assert len(set(second.text.splitlines()) - set(lines[1])) == 1
    assert supersede_adr(repository.root, 1, 2) == []


def test_superseding_a_generated_adr_survives_the_next_run(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    new_adr(repository.root, "Something better", author="Ada", clock=lambda: NOON)
    supersede_adr(repository.root, 1, 2)
    assert "**Status:** Superseded by [ADR-002](ADR-002-something-better.md)" in (
        repository.read(ADR)
    )
    new_adr(repository.root, "Not at all", author="Ada", clock=lambda: NOON)
    supersede_adr(repository.root, 3, 1)
    write_records(story.events, repository.root)
    assert check_adrs(repository.root) == []
    assert verify_records(story.events, repository.root).ok
    documents = read_adrs(repository.root)
    assert documents[0].superseded_by == (2,)
    assert documents[0].supersedes == (3,)


@pytest.mark.parametrize(("old", "new", "words"), [(1, 1, "itself"), (1, 9, "no ADR-009")])
def test_superseding_what_is_not_there_is_refused(repository, old, new, words):
    repository.write("plans/ADR-001-old.md", STYLES["bold"].format(n="001"))
    with pytest.raises(UsageError, match=words):
        supersede_adr(repository.root, old, new)


def test_the_index_goes_into_an_index_a_person_began_when_asked(repository):
    repository.write("plans/INDEX.md", "# Our decisions\n\nRead these.\n")
    repository.write("plans/ADR-001-old.md", STYLES["bold"].format(n="001"))
    write_index(repository.root)
    text = repository.read("plans/INDEX.md")
    assert text.startswith("# Our decisions\n\nRead these.\n")
    assert "| [ADR-001](ADR-001-old.md) | X | Accepted | 2026-01-01 |" in text
    assert write_index(repository.root) == []


def test_a_generated_adr_as_madr(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    text = madr_text(story.events, repository.root, 1)
    assert text.startswith('---\nstatus: "proposed"\ndate: 2026-02-28\n')
    headings = [line for line in text.splitlines() if line.startswith(("# ", "## "))]
    assert headings == [
        "# ADR-001: Promote a dit trained on catfaces64",
        "## Context and Problem Statement",
        "## Considered Options",
        "## Decision Outcome",
        "## Pros and Cons of the Options",
        "## More Information",
    ]
    assert "| not_noise | neighbour_correlation | 0.91 | &gt;= 0.5 | passed | 4 |" in text


def test_learnings_of_people_and_of_the_ledger_are_listed(story, repository):
    people = "# L\n\n## Key Learnings\n\n### feat: by hand (May 2025)\n\n**Date**: 2025-05-01\n"
    repository.write("agents-docs/learnings.md", people)
    story.train("r1")
    story.train("r2")
    write_records(story.events, repository.root)
    generated, by_hand = list_learnings(repository.root)
    assert (generated.generated, generated.seen, generated.last_seen) == (True, 2, "2026-02-28")
    assert (by_hand.title, by_hand.generated, by_hand.date) == (
        "feat: by hand (May 2025)",
        False,
        "2025-05-01",
    )


def test_an_archived_learning_stays_archived_and_is_counted_on_there(story, repository):
    story.train("r1")
    write_records(story.events, repository.root)
    assert archive_learnings(repository.root, before=date(2026, 2, 28)) == []
    (moved,) = archive_learnings(repository.root, before=date(2026, 3, 1))
    assert moved.title.startswith("feat: Preset tiny")
    assert list_learnings(repository.root) == []
    assert outdated(story.events, repository.root) == []
    assert verify_records(story.events, repository.root).ok
    story.train("r2")
    write_records(story.events, repository.root)
    assert "**Seen**: 2\n" in repository.read(ARCHIVE_PATH)
    assert list_learnings(repository.root) == []
