"""update-docs: ADRs, learnings and run records say what the ledger measured."""

from collections.abc import Sequence

from actions.contributions import TRAINING
from actions.touched import RECORDS
from agents.declare.actions import Context, action, sensor
from agents.declare.facts import Reading
from agents.declare.outcome import Artifact, Outcome
from agents.ledger.events import Event, of_kind
from agents.ledger.past import endings_of
from agents.ledger.payloads import StepFinished
from agents.records import inputs_digest, outdated, uncommitted, write_records
from goals.placed import DocumentParameters
from goals.world import F

__all__ = ["documented", "update_docs"]

WRITTEN = "records_made_of"


@sensor(F.documented, parameters=DocumentParameters, timeout=15)
def documented(context: Context[DocumentParameters]) -> Reading:
    """True when writing the records again would change no byte, and all is committed as wished."""
    events, repo = context.history(), context.params.repo
    current = _written(events) == inputs_digest(events, repo, subject=TRAINING)
    changes = [] if current else outdated(events, repo, subject=TRAINING)
    if changes:
        names = ", ".join(str(change.path) for change in changes[:3])
        more = _and_more(len(changes) - 3)
        return Reading(False, f"not up to date: {names}{more}")
    if context.params.commit:
        waiting = uncommitted(events, repo, subject=TRAINING)
        if waiting:
            return Reading(False, f"not committed: {waiting[0]}{_and_more(len(waiting) - 1)}")
    return Reading(True, "the records match the ledger")


@action(effect=F.documented, parameters=DocumentParameters, seconds=1, touches=(RECORDS,))
def update_docs(context: Context[DocumentParameters]) -> Outcome:
    """Write ADRs, learnings and run records from the ledger; a second time changes nothing."""
    params = context.params
    changes = write_records(context.history(), params.repo, subject=TRAINING, commit=params.commit)
    names = ", ".join(str(change.path) for change in changes) or "nothing to write"
    return Outcome(
        summary=names,
        provenance={WRITTEN: inputs_digest(context.history(), params.repo, subject=TRAINING)},
        artifacts=tuple(Artifact(name="record", path=str(change.path)) for change in changes),
    )


def _and_more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _written(events: Sequence[Event]) -> str:
    """What the records were made of when they were written last; empty when they never were."""
    for _, finished in of_kind(reversed(endings_of(events, update_docs.name)), StepFinished):
        if finished.action == update_docs.name:
            return finished.outcome.provenance.get(WRITTEN, "")
    return ""
