"""What a person may tell the records to do: one function per sub-command of ``adr``.

Each returns what it changed, as typed values; the command line only prints them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from agents.command import command
from agents.declare.contributions import NOTHING, Subject
from agents.errors import ActionFailed, Permanent, UsageError
from agents.ledger.events import Event, utc_now
from agents.records.adr.body import (
    FAILED_VERDICT,
    AdrLink,
    comparison,
    confirmation_body,
    evidence_body,
)
from agents.records.adr.documents import AdrDocument, plain_status, read_adrs
from agents.records.adr.index import NEW_INDEX, index_body
from agents.records.adr.numbering import numbering_lock, taken_numbers
from agents.records.adr.restate import with_relation, with_status
from agents.records.evidence.measured import decisions
from agents.records.evidence.run_log import run_logs
from agents.records.places import ADR_FOLDER, INDEX_PATH
from agents.records.text.markdown import Safe, slug
from agents.records.text.merge import Edited, Merger
from agents.records.text.reading import read_text, write_file
from agents.records.text.regions import parse
from agents.records.text.render import render
from agents.records.write import Change

__all__ = ["accept_adr", "list_adrs", "madr_text", "new_adr", "supersede_adr", "write_index"]


def list_adrs(repo: Path) -> list[AdrDocument]:
    """All ADRs by number, whoever wrote them: ``python -m agents adr list``."""
    return read_adrs(repo)


def new_adr(
    repo: Path,
    title: str,
    *,
    author: str,
    format: Literal["adr", "madr"] = "adr",  # noqa: A002 - the word of the command line
    clock: Callable[[], datetime] = utc_now,
) -> Path:
    """An empty ADR for a person to fill: ``python -m agents adr new "TITLE" [--format madr]``.

    The number is the next one that no working tree and no branch has; two at once are safe.

    Raises:
        UsageError: The title is empty.
    """
    if not title.strip():
        raise UsageError("an ADR needs a title", fix=command('adr new "Use SQLite"'))
    with numbering_lock(repo):
        number = max(taken_numbers(repo), default=0) + 1
        path = Path(ADR_FOLDER) / f"ADR-{number:03d}-{slug(title)}.md"
        values = {
            "label": f"ADR-{number:03d}",
            "title": title,
            "date": clock().date().isoformat(),
            "author": author,
        }
        write_file(repo / path, render("new" if format == "adr" else "new_madr", values) + "\n")
        _save(repo, {}, "the ADRs say more than the file")
    return path


def accept_adr(
    repo: Path,
    number: int,
    *,
    by: str,
    policy: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> list[Change]:
    """Accept an ADR: ``python -m agents adr accept NUMBER [by=NAME]``.

    Args:
        repo: Root of the records.
        number: Which ADR.
        by: The person, or the name of the policy, that accepts.
        policy: Whether a policy accepts; it needs at least one gate.
        clock: Gives the date of the acceptance.

    Raises:
        UsageError: No such ADR, several of that number, or it is superseded.
        ActionFailed: A gate failed, or a policy has no gate to go by (``not_confirmed``).
    """
    with numbering_lock(repo):
        document = _only(repo, number)
        if document.superseded_by:
            raise UsageError(f"{document.label} is superseded; accept its successor instead")
        confirmations = document.regions.starting("confirmation/")
        failed = [each.name for each in confirmations if FAILED_VERDICT in each.body]
        if failed:
            raise _not_confirmed(f"{document.label} has a failed gate ({failed[0]})")
        if policy and not any("| passed |" in each.body for each in confirmations):
            raise _not_confirmed(f"{document.label} has no gate that a policy could go by")
        if document.status.lower().startswith("accepted"):
            return []
        name = " ".join(by.split()).translate(str.maketrans("", "", "|<>[]`*()"))
        status = f"Accepted ({clock().date().isoformat()}, {'policy ' if policy else ''}{name})"
        if document.text.lstrip().startswith("---"):
            status = "accepted"
        texts = {document.path: with_status(document.text, status, document.path)}
        return _save(repo, texts, "accepted")


def supersede_adr(repo: Path, old: int, new: int) -> list[Change]:
    """Say on both sides that an ADR is replaced: ``python -m agents adr supersede OLD NEW``.

    Raises:
        UsageError: No such ADR, several of a number, or both are the same.
    """
    if old == new:
        raise UsageError("an ADR cannot supersede itself", fix=command("adr list"))
    with numbering_lock(repo):
        older, newer = _only(repo, old), _only(repo, new)
        by = AdrLink(newer.number, newer.path).markdown
        link = AdrLink(older.number, older.path).markdown
        texts = {}
        if new not in older.superseded_by:
            status = f"Superseded by {by}"
            texts[older.path] = with_status(older.text, status, older.path)
        if old not in newer.supersedes:
            texts[newer.path] = with_relation(newer.text, f"supersedes {link}", newer.path)
        return _save(repo, texts, "superseded")


def write_index(repo: Path, *, edited: Edited = "refuse", check: bool = False) -> list[Change]:
    """Write ``plans/INDEX.md``, also into one a person began: ``python -m agents adr index``.

    With ``check`` nothing is written, also not over what a person edited.

    Raises:
        ActionFailed: The generated part was edited by hand.
    """
    with numbering_lock(repo):
        file = repo / INDEX_PATH
        before = read_text(file) if file.is_file() else None
        merger = Merger(INDEX_PATH, before if before is not None else NEW_INDEX, edited)
        merger.put("index", index_body(read_adrs(repo)), at=merger.after("index"))
        if merger.conflicts and not check:
            raise Permanent(
                f"{INDEX_PATH} was edited by hand:\n{merger.conflicts[0].diff}",
                fix=command("adr index --force"),
                name="edited_by_hand",
            )
        if merger.text == before:
            return []
        if not check:
            write_file(file, merger.text)
        reason = "not written yet" if before is None else "the ADRs say more than the file"
        return [Change(Path(INDEX_PATH), before, merger.text, reason)]


def madr_text(
    events: Sequence[Event], repo: Path, number: int, *, subject: Subject = NOTHING
) -> str:
    """A generated ADR in MADR 4.0: ``python -m agents adr show NUMBER --format madr``.

    Source of the format: https://adr.github.io/madr/.

    Raises:
        UsageError: No such ADR, or its decision is not in this ledger.
    """
    document = _only(repo, number)
    names = {region.name for region in document.regions.starting("evidence/")}
    for record in decisions(run_logs(events, subject)):
        own = [each for each in record.evidence if f"evidence/{each.source.event}" in names]
        if own and record.key == document.key:
            values = {
                "label": document.label,
                "decision": record.decision,
                "status": plain_status(document.status).partition(" (")[0].lower(),
                "date": record.opening.date,
                "authors": f"goap-modal-agents {record.opening.run.version}",
                "confirmation": Safe("\n\n".join(confirmation_body(each) for each in own)),
                "evidence": Safe(
                    "\n\n".join(
                        evidence_body(each, standing=comparison(record, each)) for each in own
                    )
                ),
            }
            return render("madr", values) + "\n"
    raise UsageError(
        f"the decision of {document.label} is not in this ledger",
        fix=command("adr list says which ADRs are generated"),
    )


def _only(repo: Path, number: int) -> AdrDocument:
    documents = [each for each in read_adrs(repo) if each.number == number]
    if not documents:
        raise UsageError(f"there is no ADR-{number:03d}", fix=command("adr list"))
    if len(documents) > 1:
        raise UsageError(
            f"ADR-{number:03d} is there {len(documents)} times: "
            + ", ".join(document.path for document in documents),
            fix="rename one of them first",
        )
    return documents[0]


def _save(repo: Path, texts: dict[str, str], reason: str) -> list[Change]:
    """Write texts, and the index where it is generated."""
    texts = dict(texts)
    index = repo / INDEX_PATH
    if index.is_file() and parse(read_text(index)).get("index") is not None:
        merger = Merger(INDEX_PATH, read_text(index))
        merger.put("index", index_body(read_adrs(repo, texts)), at=0)
        if not merger.conflicts:
            texts[INDEX_PATH] = merger.text
    changes = []
    for path, text in texts.items():
        before = read_text(repo / path)
        if text != before:
            write_file(repo / path, text)
            changes.append(Change(Path(path), before, text, reason))
    return changes


def _not_confirmed(message: str) -> ActionFailed:
    return Permanent(
        message,
        fix="run it again until every gate passes; a failed gate can never be accepted",
        name="not_confirmed",
    )
