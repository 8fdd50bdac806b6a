"""Records: ADRs, learnings and run reports that say what the ledger measured, and nothing else.

The records are a pure function of the ledger, the templates and what is in the repository:
the same three give the same bytes. What renders and what talks to git is imported late, because
`outdated` is asked before every plan.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.declare.contributions import NOTHING, Subject
from agents.ledger.past import with_outcomes
from agents.records.evidence.inputs import inputs_digest
from agents.records.evidence.relevance import something_to_record

if TYPE_CHECKING:
    from agents.ledger.events import Event
    from agents.ledger.payloads import RepositoryState
    from agents.records.text.merge import Edited
    from agents.records.write import Change

__all__ = ["inputs_digest", "outdated", "repository_state", "uncommitted", "write_records"]


def outdated(
    events: "Sequence[Event]", repo: Path, *, subject: Subject = NOTHING
) -> "list[Change]":
    """The records that do not say what the ledger says; empty when everything is documented.

    A region that a person edited counts too: the change then shows what `write_records` refuses
    to overwrite.

    Raises:
        ActionFailed: An event lacks a fact that a record needs (``fact_missing``).
    """
    events = with_outcomes(events, subject.call)
    if not something_to_record(events, subject):
        return []
    from agents.records.write import draft  # noqa: PLC0415 - Jinja only when there is a record

    return draft(events, repo, subject).changes()


def uncommitted(events: "Sequence[Event]", repo: Path, *, subject: Subject = NOTHING) -> list[str]:
    """The records of this ledger that are not in the last commit as they are on disk."""
    events = with_outcomes(events, subject.call)
    if not something_to_record(events, subject):
        return []
    from agents.records.write import uncommitted as paths  # noqa: PLC0415

    return paths(events, repo, subject)


def write_records(
    events: "Sequence[Event]",
    repo: Path,
    *,
    subject: Subject = NOTHING,
    commit: bool = False,
    edited: "Edited" = "refuse",
) -> "list[Change]":
    """Make the records say what the ledger says; a second call changes nothing.

    Args:
        events: The ledger, oldest first.
        repo: Root of the records: ``plans/`` and ``agents-docs/`` are in it.
        subject: What outcomes measure; the catalogue contributes it.
        commit: Commit the records, and nothing else; otherwise they stay uncommitted.
        edited: ``refuse`` generated text that a person edited, ``adopt`` or ``force`` it.

    Raises:
        ActionFailed: ``edited_by_hand``, ``fact_missing`` or ``commit_refused``.
    """
    events = with_outcomes(events, subject.call)
    if not something_to_record(events, subject):
        return []
    from agents.records.write import write  # noqa: PLC0415

    return write(events, repo, subject, commit=commit, edited=edited)


def repository_state(repo: Path) -> "RepositoryState | None":
    """Commit, dirty flag and branch of the repository around ``repo``; None where there is none."""
    from agents.records.commits import repository_state as state  # noqa: PLC0415

    return state(repo)
