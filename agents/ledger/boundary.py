"""Where what others say becomes ours: before it is written, and nowhere else."""

from agents.errors import UsageError
from agents.ledger.chain import Line, canonical, json_values
from agents.ledger.events import Event
from agents.ledger.redaction import redact, redacted

__all__ = ["line_of", "storable"]


def storable(event: Event) -> Event:
    """The event without secrets, and with nothing that JSON does not have.

    This is where the text of others becomes ours: names of files and branches, authors, headers,
    bodies. Whoever asks for it by such a text asks for what it became here.

    Raises:
        UsageError: Its data are nested so deep that nobody could read them again.
    """
    texts = event.model_dump(include={"id", "source", "type", "time", "subject", "run"})
    texts |= {name: redact(texts[name]) for name in ("id", "subject")}
    try:
        return Event(**json_values(texts), data=json_values(redacted(event.data)))
    except RecursionError:
        raise UsageError(
            f"the data of {event.type} are nested too deep to be kept", fix="flatten them"
        ) from None


def line_of(event: Event) -> Line:
    """The event as it is written, and as its hash is made."""
    return Line(
        event.id,
        event.source,
        event.type,
        event.time,
        event.subject,
        event.run,
        canonical(event.data),
    )
