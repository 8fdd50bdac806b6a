"""Which ADR belongs to which decision: identity, not position."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.records.adr.body import AdrLink, AdrPlan
from agents.records.adr.documents import AdrDocument, adr_number
from agents.records.evidence.models import DecisionRecord
from agents.records.places import ADR_FOLDER
from agents.records.text.markdown import slug

__all__ = ["Numbers", "resolve"]


@dataclass
class Numbers:
    """Gives numbers and paths to new ADRs; asks for those taken only when one is needed.

    Attributes:
        taken: All numbers in use, wherever.
        elsewhere: The path of the same ADR on another branch, or empty: (marker).
    """

    taken: Callable[[], set[int]]
    elsewhere: Callable[[str], str]
    _given: set[int] = field(default_factory=set)

    def give(self) -> int:
        """The next free number."""
        number = max(self.taken() | self._given, default=0) + 1
        self._given.add(number)
        return number


def resolve(
    records: Sequence[DecisionRecord], documents: Sequence[AdrDocument], numbers: Numbers
) -> list[AdrPlan]:
    """One plan per decision, oldest decision first.

    A decision belongs to the ADR that holds any of its evidence. The newest decision of a key
    joins an ADR of another ledger that decided the same. What is left is new, and supersedes the
    ADR of its key that was valid so far.
    """
    by_key: dict[str, list[DecisionRecord]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    plans = [
        plan for key, own in by_key.items() for plan in _resolve_key(own, key, documents, numbers)
    ]
    return sorted(plans, key=lambda plan: plan.record.opening.source.sequence)


def _resolve_key(
    records: Sequence[DecisionRecord],
    key: str,
    everything: Sequence[AdrDocument],
    numbers: Numbers,
) -> list[AdrPlan]:
    documents = [each for each in everything if each.key == key]
    matched = [_holder_of(record, documents) for record in records]
    foreign = [each for each in documents if each not in matched and not each.superseded_by]
    if matched[-1] is None and foreign and _decides(foreign[-1]) == records[-1].digest:
        matched[-1] = foreign.pop()
    places = [
        (each.number, each.path) if each else _place(record, documents, numbers)
        for record, each in zip(records, matched, strict=True)
    ]
    links = [AdrLink(number, path) for number, path in places]
    plans = []
    for index, (record, existing) in enumerate(zip(records, matched, strict=True)):
        previous = [links[index - 1]] if index else _link_before(existing, foreign)
        previous += _links_by_hand(existing, everything, {link.number for link in previous})
        following = links[index + 1] if index + 1 < len(links) else None
        number, path = places[index]
        plans.append(AdrPlan(record, number, path, existing, tuple(previous), following))
    return plans


def _holder_of(record: DecisionRecord, documents: Sequence[AdrDocument]) -> AdrDocument | None:
    names = {f"evidence/{evidence.source.event}" for evidence in record.evidence}
    for document in documents:
        header = document.regions.get("header")
        if header is not None and header.attribute("event") == record.opening.source.event:
            return document
        if names & {region.name for region in document.regions.regions}:
            return document
    return None


def _decides(document: AdrDocument) -> str:
    header = document.regions.get("header")
    return header.attribute("decision") if header else ""


def _link_before(existing: AdrDocument | None, foreign: Sequence[AdrDocument]) -> list[AdrLink]:
    """What a new first decision of this ledger supersedes: an ADR that another ledger wrote."""
    if existing is not None or not foreign:
        return []
    return [AdrLink(foreign[-1].number, foreign[-1].path)]


def _links_by_hand(
    existing: AdrDocument | None, documents: Sequence[AdrDocument], generated: set[int]
) -> list[AdrLink]:
    """What the ADR on disk says it supersedes besides; a person's command may have said so."""
    wanted = set(existing.supersedes) - generated if existing else set()
    return [AdrLink(each.number, each.path) for each in documents if each.number in wanted]


def _place(
    record: DecisionRecord, documents: Sequence[AdrDocument], numbers: Numbers
) -> tuple[int, str]:
    marker = f"event={record.opening.source.event} decision={record.digest} "
    elsewhere = numbers.elsewhere(marker)
    number = adr_number(elsewhere) if elsewhere else None
    if number is not None and number not in {each.number for each in documents}:
        return number, elsewhere
    number = numbers.give()
    return number, f"{ADR_FOLDER}/ADR-{number:03d}-{slug(record.decision.title)}.md"
