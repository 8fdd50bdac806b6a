"""What the records should say, what they say, and making them say it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.command import command
from agents.declare.contributions import Subject
from agents.errors import ActionFailed, Permanent
from agents.ledger.events import Event
from agents.records.adr.body import NEW_ADR, AdrLink, AdrPlan, compose_adr
from agents.records.adr.documents import AdrDocument, adr_number, read_adrs, read_document
from agents.records.adr.index import NEW_INDEX, index_body
from agents.records.adr.numbering import numbering_lock, path_on_branches, taken_numbers
from agents.records.adr.resolve import Numbers, resolve
from agents.records.commits import changed_paths, check_committable, commit_paths
from agents.records.evidence.measured import decisions
from agents.records.evidence.run_log import RunLog, run_logs
from agents.records.learnings.entries import NEW_ARCHIVE, NEW_FILE, compose_learnings
from agents.records.learnings.lessons import learnings
from agents.records.places import ARCHIVE_PATH, INDEX_PATH, LEARNINGS_PATH
from agents.records.run_records import run_body, run_path
from agents.records.text.merge import Conflict, Edited, Merger
from agents.records.text.reading import read_text, write_file
from agents.records.text.regions import MarkerFault, parse, region_text, replace, without_regions

__all__ = ["Change", "Draft", "draft", "uncommitted", "write"]


@dataclass(frozen=True)
class Change:
    """One file that does not say what the ledger says.

    Attributes:
        path: Relative to the repository.
        before: The text as it is; None where there is no file.
        after: The text as it should be.
        reason: Why, for people.
    """

    path: Path
    before: str | None
    after: str
    reason: str

    @property
    def diff(self) -> str:
        """What changes in a file that is there; empty for a new one, which is all new."""
        if self.before is None:
            return ""
        lines = difflib.unified_diff(
            self.before.splitlines(),
            self.after.splitlines(),
            "as it is",
            "generated",
            "",
            "",
            0,
            "",
        )
        return "\n".join(lines)


@dataclass
class Draft:
    """All records of a ledger in one repository, as they are and as they should be.

    Attributes:
        repo: Root of the records.
        edited: What to do with regions that a person edited.
        thaw: Generate accepted text again, to compare it.
        before: Path → text on disk, for every record that is there.
        after: Path → text as it should be, for every record.
        conflicts: Regions a person edited.
        broken: Path → marker lines that make no region. Writing would put a second copy beside
            text that no marker owns any more, so it is refused.
    """

    repo: Path
    edited: Edited = "refuse"
    thaw: bool = False
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    broken: dict[str, tuple[MarkerFault, ...]] = field(default_factory=dict)

    def changes(self) -> list[Change]:
        """The files that differ, by path."""
        return [
            Change(Path(path), self.before.get(path), text, self._reason(path))
            for path, text in sorted(self.after.items())
            if self.before.get(path) != text
        ]

    def _reason(self, path: str) -> str:
        if path in self.broken:
            return "a marker of a generated part is damaged"
        if path in {conflict.path for conflict in self.conflicts}:
            return "a generated part was edited by hand"
        return (
            "not written yet" if path not in self.before else "the ledger says more than the file"
        )

    def open(self, path: str, empty: str = "") -> Merger:
        """The text of a record to put regions in."""
        if path not in self.after:
            file = self.repo / path
            if file.is_file():
                self.before[path] = read_text(file)
                faults = parse(self.before[path]).faults
                self.broken |= {path: faults} if faults else {}
            self.after[path] = self.before.get(path, empty)
        return Merger(path, self.after[path], self.edited)

    def close(self, merger: Merger) -> None:
        """Keep what was put."""
        self.after[merger.path] = merger.text
        self.conflicts.extend(merger.conflicts)


def draft(
    events: Iterable[Event],
    repo: Path,
    subject: Subject,
    *,
    edited: Edited = "refuse",
    thaw: bool = False,
) -> Draft:
    """What every record should say.

    Raises:
        ActionFailed: An event lacks a fact that a record needs.
    """
    logs = run_logs(tuple(events), subject)
    made = Draft(repo, edited, thaw)
    _draft_adrs(made, logs)
    _draft_learnings(made, logs)
    for log in logs:
        if log.measured:
            merger = made.open(run_path(log))
            merger.put("run", run_body(log), {"run": log.facts.id}, at=0)
            made.close(merger)
    _draft_index(made)
    return made


def write(
    events: Iterable[Event],
    repo: Path,
    subject: Subject,
    *,
    commit: bool = False,
    edited: Edited = "refuse",
) -> list[Change]:
    """Make the records say what the ledger says; returns what was changed.

    Args:
        events: The ledger, oldest first.
        repo: Root of the records.
        subject: What outcomes measure.
        commit: Commit the records, and nothing else.
        edited: What to do with generated regions that a person edited.

    Raises:
        ActionFailed: A region was edited (``edited_by_hand``, with a diff), a fact is missing
            (``fact_missing``), a marker is damaged (``broken_region``), or git refused
            (``commit_refused``).
    """
    repo.mkdir(parents=True, exist_ok=True)
    with numbering_lock(repo):
        made = draft(events, repo, subject, edited=edited)
        if made.broken:
            raise _broken(made.broken)
        if made.conflicts:
            raise _edited(made.conflicts)
        if commit and made.after:
            _check_committable(made)
        changes = made.changes()
        for change in changes:
            write_file(repo / change.path, change.after)
        if commit and made.after:
            commit_paths(repo, sorted(made.after), _message)
    return changes


def uncommitted(events: Iterable[Event], repo: Path, subject: Subject) -> list[str]:
    """The records of a ledger that differ from the last commit, by path."""
    return changed_paths(repo, sorted(draft(events, repo, subject).after))


def _draft_adrs(made: Draft, logs: list[RunLog]) -> None:
    records = decisions(logs)
    if not records:
        return
    documents = read_adrs(made.repo)
    numbers = Numbers(
        taken=lambda: taken_numbers(made.repo),
        elsewhere=lambda marker: path_on_branches(made.repo, marker),
    )
    plans = resolve(records, documents, numbers)
    for plan in plans:
        merger = made.open(plan.path)
        compose_adr(plan, merger, thaw=made.thaw)
        made.close(merger)
    own = {plan.path for plan in plans}
    for plan in plans:
        for document in documents:
            if _supersedes_foreign(plan, document, own):
                _supersede_foreign(made, document, plan)


def _supersedes_foreign(plan: AdrPlan, document: AdrDocument, own: set[str]) -> bool:
    older = {link.path for link in plan.supersedes}
    return document.path in older and document.path not in own


def _supersede_foreign(made: Draft, document: AdrDocument, plan: AdrPlan) -> None:
    """The other side of a supersession, in an ADR that another ledger wrote."""
    header = document.regions.get("header")
    if header is None or document.superseded_by:
        return
    link = AdrLink(plan.number, plan.path).markdown
    lines = [
        f"**Status:** Superseded by {link}" if line.startswith("**Status:**") else line
        for line in header.body.splitlines()
    ]
    merger = made.open(document.path)
    generated = region_text("header", "\n".join(lines), dict(header.attributes))
    merger.text = replace(merger.text, header, generated)
    made.close(merger)


def _draft_learnings(made: Draft, logs: list[RunLog]) -> None:
    taught = learnings(logs)
    if not taught:
        return
    by_key = {
        read_document(path, text).key: path
        for path, text in made.after.items()
        if adr_number(path) is not None
    }
    recorded = {log.facts.id: run_path(log) for log in logs if log.measured}
    related = {}
    for learning in taught:
        links = []
        adr = by_key.get(learning.decision_key, "") if learning.decision_key else ""
        if adr:
            links.append(f"[ADR-{adr_number(adr):03d}](../{adr})")
        run = recorded.get(learning.opening.run)
        if run:
            links.append(f"[run {learning.opening.run}]({run.partition('/')[2]})")
        related[learning.fingerprint] = ", ".join(links)
    archived = _archived(made.repo)
    current = [each for each in taught if each.fingerprint not in archived]
    for path, part in (
        (LEARNINGS_PATH, current),
        (ARCHIVE_PATH, [each for each in taught if each not in current]),
    ):
        if part:
            merger = made.open(path, NEW_FILE)
            compose_learnings(part, related, merger)
            made.close(merger)


def _archived(repo: Path) -> set[str]:
    """Fingerprints of the learnings that were moved to the archive."""
    file = repo / ARCHIVE_PATH
    regions = parse(read_text(file)).starting("learning/") if file.is_file() else []
    return {region.name.partition("/")[2] for region in regions}


def _draft_index(made: Draft) -> None:
    """The index is generated when there is a generated ADR; a person's own index is left alone."""
    file = made.repo / INDEX_PATH
    if not any(adr_number(path) is not None for path in made.after):
        return
    if file.is_file() and parse(read_text(file)).get("index") is None:
        return
    merger = made.open(INDEX_PATH, NEW_INDEX)
    adrs = {path: text for path, text in made.after.items() if adr_number(path) is not None}
    merger.put("index", index_body(read_adrs(made.repo, adrs)), at=merger.after("index"))
    made.close(merger)


def _check_committable(made: Draft) -> None:
    def is_ours(path: str, version: str, committed: str | None) -> bool:
        base = committed if committed is not None else _untouched(path)
        return without_regions(version) == without_regions(base)

    check_committable(made.repo, sorted(made.after), is_ours)


def _untouched(path: str) -> str:
    """What a record holds outside its regions when no person wrote in it."""
    if adr_number(path) is not None:
        return NEW_ADR
    return {LEARNINGS_PATH: NEW_FILE, ARCHIVE_PATH: NEW_ARCHIVE, INDEX_PATH: NEW_INDEX}.get(
        path, ""
    )


def _message(paths: Sequence[str]) -> str:
    numbers = [adr_number(path) for path in paths if path != INDEX_PATH]
    adrs = ", ".join(f"ADR-{number:03d}" for number in numbers if number is not None)
    subject = f"Record what was measured ({adrs})" if adrs else "Record what was measured"
    return "\n".join([subject, "", *(f"- {path}" for path in paths)])


def _broken(broken: Mapping[str, tuple[MarkerFault, ...]]) -> ActionFailed:
    told = "\n".join(
        f"{path}:{fault.line}: {fault.problem}"
        for path, faults in broken.items()
        for fault in faults
    )
    return Permanent(
        f"markers of generated parts are damaged:\n{told}",
        fix="mend those lines, or take the file back (git restore PATH); then run again",
        name="broken_region",
    )


def _edited(conflicts: list[Conflict]) -> ActionFailed:
    told = "\n".join(f"{each.path}, region {each.region}:\n{each.diff}" for each in conflicts)
    return Permanent(
        f"generated text was edited by hand, and would be lost:\n{told}",
        fix=command("adr write --adopt keeps the edit, --force generates the text again"),
        name="edited_by_hand",
    )
