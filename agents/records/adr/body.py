"""The text of one generated ADR, from its decision and from the file as it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agents.records.adr.documents import AdrDocument, read_document
from agents.records.evidence.measured import ranked_value
from agents.records.evidence.models import DecisionRecord, Evidence
from agents.records.text.by_source import by_source
from agents.records.text.gate_rows import gate_rows
from agents.records.text.markdown import Safe, code, number, text
from agents.records.text.merge import Merger
from agents.records.text.regions import Region
from agents.records.text.render import render

__all__ = [
    "NEW_ADR",
    "AdrLink",
    "AdrPlan",
    "comparison",
    "compose_adr",
    "confirmation_body",
    "decision_body",
    "evidence_body",
    "run_link",
]

NEW_ADR = "## Evidence\n\n## Confirmation\n"
"""What a new ADR holds outside its regions."""

FAILED_VERDICT = "**failed**"
_PROSE_NUMBER = re.compile(r"(?<![\w.:/#-])\d[\d,]*(?:\.\d+)?(?![\w-])")
_KEPT_STATUSES = ("accepted", "rejected", "deprecated", "superseded")


@dataclass(frozen=True)
class AdrLink:
    """Another ADR, as it is named in links."""

    number: int
    path: str

    @property
    def markdown(self) -> str:
        """``[ADR-007](ADR-007-promote-tiny.md)``."""
        return f"[ADR-{self.number:03d}]({self.path.rpartition('/')[2]})"


@dataclass(frozen=True)
class AdrPlan:
    """What one ADR shall say.

    Attributes:
        record: The decision as far as this ledger knows it.
        existing: The ADR as it is on disk; None for a new one.
        supersedes: The ADRs it replaced, by this ledger or by a person.
        superseded_by: The ADR of this ledger that replaced it.
    """

    record: DecisionRecord
    number: int
    path: str
    existing: AdrDocument | None
    supersedes: tuple[AdrLink, ...]
    superseded_by: AdrLink | None


def compose_adr(plan: AdrPlan, merger: Merger, *, thaw: bool = False) -> None:
    """Put everything the decision says into the text of ``merger``.

    Args:
        plan: What to say.
        merger: Holds the file as it is.
        thaw: Generate accepted text too, which is frozen otherwise.
    """
    if plan.existing is None:
        merger.text = NEW_ADR
    opening_is_ours = _opening_is_ours(plan)
    for evidence in plan.record.evidence:
        name = evidence.source.event
        attributes = {"run": evidence.run.id, "at": evidence.at}
        merger.put(
            f"evidence/{name}",
            evidence_body(evidence, standing=comparison(plan.record, evidence)),
            attributes,
            at=merger.after("evidence/", heading="## Evidence"),
        )
        merger.put(
            f"confirmation/{name}",
            confirmation_body(evidence),
            attributes,
            at=merger.after("confirmation/", heading="## Confirmation"),
        )
    if opening_is_ours:
        _put_text(plan, merger, thaw=thaw)
    _put_header(plan, merger, opening_is_ours)


def comparison(record: DecisionRecord, evidence: Evidence) -> str:
    """How what one run measured compares with what the decision chose; empty when unranked."""
    ranking, opening = record.decision.ranking, record.opening
    mine, best = ranked_value(ranking, evidence), ranked_value(ranking, opening)
    if ranking is None or mine is None or best is None:
        return ""
    name, chosen = text(ranking.measurement), opening.about
    if evidence.about == chosen:
        return f"This is what was chosen: {name} {number(mine)}, then the {ranking.best}."
    return f"Not chosen: {name} {number(mine)} is not better than {number(best)} of {code(chosen)}."


def evidence_body(evidence: Evidence, *, heading: bool = True, standing: str = "") -> str:
    """What one run measured, every number with its event and file."""
    provenance = [
        ("goal", evidence.run.goal),
        ("tool version", evidence.run.version),
        ("commit", _commit(evidence)),
        *((name.replace("_", " "), value) for name, value in evidence.provenance),
    ]
    link = run_link(evidence) if heading else ""
    values = {
        "evidence": evidence,
        "run_link": link,
        "standing": Safe(standing),
        "groups": by_source(evidence.numbers),
        "provenance": provenance,
    }
    return render("evidence", values)


def confirmation_body(evidence: Evidence) -> str:
    """Gate, threshold, value and verdict of one run."""
    return render("confirmation", {"evidence": evidence, "verdicts": gate_rows(evidence.verdicts)})


def decision_body(record: DecisionRecord) -> str:
    """Context, decision, consequences and alternatives."""
    decision = record.decision
    sections = [
        ("Positive", decision.positive),
        ("Negative", decision.negative),
        ("Neutral", decision.neutral),
    ]
    return render(
        "decision",
        {
            "decision": decision,
            "consequences": [(name, items) for name, items in sections if items],
            "unsourced": _unsourced(record),
            "run": record.opening.run.id,
        },
    )


def run_link(evidence: Evidence) -> Safe:
    """A link from an ADR to the record of the run; only its name where there is no record."""
    shown = text(evidence.run.id)
    if not evidence.about:
        return shown
    return Safe(f"[{shown}](../agents-docs/runs/{run_file_name(evidence.run.id)})")


def run_file_name(run: str) -> str:
    """The file name of the record of a run, whatever its id holds."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", run) + ".md"


def _put_text(plan: AdrPlan, merger: Merger, *, thaw: bool) -> None:
    accepted = plan.existing is not None and plan.existing.status.lower().startswith(
        ("accepted", "superseded")
    )
    references = plan.record.decision.references
    bodies = {"decision": decision_body(plan.record)}
    if references:
        bodies["references"] = render("references", {"references": references})
    for name, body in bodies.items():
        region = plan.existing.regions.get(name) if plan.existing else None
        if accepted and not thaw and region is not None and region.intact:
            continue  # accepted text is frozen, whatever the templates say by now
        at = merger.after("header") if name == "decision" else len(merger.text.rstrip())
        if name == "decision" and plan.existing is None:
            at = 0
        merger.put(name, body, at=at)


def _put_header(plan: AdrPlan, merger: Merger, opening_is_ours: bool) -> None:
    record, existing = plan.record, plan.existing
    region = existing.regions.get("header") if existing else None
    values: dict[str, object] = {
        "label": f"ADR-{plan.number:03d}",
        "title": record.decision.title,
        "date": record.opening.date,
        "authors": f"goap-modal-agents {record.opening.run.version}, from its ledger",
        "status": _status(plan, merger),
        "related": _related(plan),
    }
    attributes = {
        "key": record.key,
        "event": record.opening.source.event,
        "decision": record.digest,
    }
    if region is not None and not opening_is_ours:
        attributes = dict(region.attributes)
        values |= _fields_of(region)
    merger.put("header", render("header", values), attributes, at=0, adoptable=False)


def _opening_is_ours(plan: AdrPlan) -> bool:
    region = plan.existing.regions.get("header") if plan.existing else None
    return region is None or region.attribute("event") == plan.record.opening.source.event


def _fields_of(header: Region) -> Mapping[str, object]:
    """Title, date, authors and links of a header that another ledger wrote."""
    lines = header.body.splitlines()
    fields = {
        name: Safe(value)
        for name, _, value in (line[2:].partition(":** ") for line in lines if line[:2] == "**")
    }
    kept = {"date": fields.get("Date"), "authors": fields.get("Authors")}
    title = Safe(lines[0].partition(": ")[2]) if lines else Safe("")
    return {
        "title": title,
        "related": fields.get("Related", Safe("")),
        **{name: value for name, value in kept.items() if value is not None},
    }


def _status(plan: AdrPlan, merger: Merger) -> Safe:
    """Derived: superseded by links, accepted by a person unless a gate failed, else proposed."""
    if plan.superseded_by is not None:
        return Safe(f"Superseded by {plan.superseded_by.markdown}")
    header = plan.existing.regions.get("header") if plan.existing else None
    # accepting takes a command: a status somebody typed in does not count
    trusted = plan.existing is not None and header is not None and header.intact
    status = plan.existing.status if plan.existing and trusted else ""
    if any_gate_failed(merger.text) and status.lower().startswith("accepted"):
        return Safe("Proposed (a gate failed)")
    if status.lower().startswith(_KEPT_STATUSES):
        return Safe(status)
    return Safe("Proposed")


def any_gate_failed(document: str) -> bool:
    """Whether any confirmation in the text of an ADR holds a failed gate."""
    regions = read_document("", document).regions.starting("confirmation/")
    return any(FAILED_VERDICT in region.body for region in regions)


def _related(plan: AdrPlan) -> Safe:
    opening = plan.record.opening
    parts = [f"run {run_link(opening)}"] if opening.about else []
    parts += [f"supersedes {link.markdown}" for link in plan.supersedes]
    return Safe(", ".join(parts))


def _commit(evidence: Evidence) -> str:
    if not evidence.run.commit:
        return "none"
    return evidence.run.commit + (", with uncommitted changes" if evidence.run.dirty else "")


def _unsourced(record: DecisionRecord) -> list[str]:
    """Numbers in the prose that stand in no measurement, gate or provenance of the opening."""
    decision, opening = record.decision, record.opening
    prose = [
        decision.title,
        decision.context,
        decision.decision,
        *decision.positive,
        *decision.negative,
        *decision.neutral,
        *(part for pair in decision.alternatives for part in pair),
    ]
    backed = {str(number(each.value)) for each in opening.numbers}
    for verdict in opening.verdicts:
        backed |= {str(number(verdict.value)), str(number(verdict.threshold))}
    named = [value for _, value in (*opening.provenance, *opening.run.params)]
    backed |= {found for value in named for found in _PROSE_NUMBER.findall(value)}
    found = (token for part in prose for token in _PROSE_NUMBER.findall(part))
    return [token for token in dict.fromkeys(found) if token.replace(",", "") not in backed]
