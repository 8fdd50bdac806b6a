"""Reading what people wrote about supersession, dates and status."""

import pytest

from agents.records.adr.documents import adr_number, read_document


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("Supersedes ADR-005", (5,)),
        ("**supersedes** ADR-005, ADR-006 and [ADR-007](ADR-007-x.md)", (5, 6, 7)),
        ("Supersedes [3. Use make](0003-use-make.md)", (3,)),
        ("Supercedes 0012-old.md", (12,)),
        ("supersedes ADR-005, related to ADR-009", (5,)),
        ("supersedes ADR-005 (partly), run [20260228](../runs/20260228-1.md)", (5,)),
        ("see ADR-005", ()),
        ("supersedes nothing yet, see ADR-005", ()),
    ],
)
def test_only_the_list_behind_the_word_is_superseded(line, numbers):
    text = f"# ADR-020: X\n\n**Status:** Accepted\n**Related:** {line}\n"
    assert read_document("plans/ADR-020-x.md", text).supersedes == numbers


@pytest.mark.parametrize(
    "status",
    [
        "Superseded by ADR-021",
        "superseded by [ADR-021](ADR-021-y.md)",
        "Superceded by [21. Y](0021-y.md)",
        "Accepted, partially superseded by ADR-021",
    ],
)
def test_being_superseded_is_read_in_every_spelling(status):
    text = f"# ADR-020: X\n\n## Status\n\n{status}\n"
    assert read_document("plans/ADR-020-x.md", text).superseded_by == (21,)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ADR-018-typescript-5.8-upgrade.md", 18),
        ("0007-use-make.md", 7),
        ("adr_3_x.md", 3),
        ("COMPLETION-SUMMARY-2026-03-01.md", None),
        ("GOAP.md", None),
        ("ADR-12-notes.txt", None),
        ("2026-03-01-meeting.md", None),
    ],
)
def test_the_number_is_in_the_file_name(name, number):
    assert adr_number(name) == number


@pytest.mark.parametrize(
    ("heading", "number", "title"),
    [
        ("# ADR-018: TypeScript 5.8", 18, "TypeScript 5.8"),
        ("# ADR 0005 \u2014 Layered assets", 5, "Layered assets"),
        ("# 3. Use make", 3, "Use make"),
        ("# Use SQLite", None, "Use SQLite"),
    ],
)
def test_the_title_is_read_with_or_without_number(heading, number, title):
    document = read_document("plans/ADR-018-x.md", f"{heading}\n\n## Date\n2026-02-24\n")
    assert (document.heading_number, document.title) == (number, title)
    assert document.date == "2026-02-24"


def test_metadata_that_goes_on_in_the_next_line_is_read():
    text = "# ADR-020: X\n\n- **Status:** Accepted\n- **Related:** a.py,\n  supersedes ADR-005\n"
    assert read_document("plans/ADR-020-x.md", text).supersedes == (5,)
