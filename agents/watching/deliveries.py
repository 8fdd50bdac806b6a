"""Deliveries: what services say in their requests, as one kind of event.

Each service is a class with the headers it is known by and what it makes of a body. Most of what
services say brings nothing to look at: a branch that is gone, a workflow that began. Such a
delivery is kept, and prompts only those who name what makes it one: `WebhookReceived.only_for`.

Sources: https://docs.github.com/en/webhooks/webhook-events-and-payloads,
https://docs.gitlab.com/user/project/integrations/webhook_events/.
"""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.ledger.chain import json_values
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import Value, WebhookReceived
from agents.watching import signatures

__all__ = [
    "SERVICES",
    "Anybody",
    "GitHub",
    "GitLab",
    "Meaning",
    "Service",
    "event_of",
    "is_delivery",
    "read_body",
]

MOST_FIELDS = 100
MOST_DEPTH = 4
MOST_TEXT, MOST_NAME = 500, 200
MOST_PATHS, MOST_COMMITS = 500, 2048
FORM = "application/x-www-form-urlencoded"

_DELIVERY = re.compile(r"[\x21-\x7e]{1,200}")
_GONE = re.compile(r"0{40,64}")
_BRANCH = "refs/heads/"

Headers = Mapping[str, str]
Said = dict[str, Any]


@dataclass(frozen=True)
class Meaning:
    """What a delivery means.

    Attributes:
        kind: What its sender calls such a thing: ``push``.
        only_for: What a trigger has to name to be prompted by it.
        fields: Values that its body does not have in so many words.
        paths: The files it is about.
        more_paths: There are others as well.
        silent: It is no event at all, only a test of whether anybody listens.
    """

    kind: str = ""
    only_for: tuple[str, ...] = ()
    fields: dict[str, Value] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    more_paths: bool = False
    silent: bool = False


class Service(Protocol):
    """Somebody who sends deliveries."""

    def sends(self, headers: Headers) -> bool:
        """Whether a request with these headers comes from them."""

    def delivery(self, headers: Headers) -> str:
        """The id by which they know this delivery, also when they send it again; may be empty."""

    def meaning(self, headers: Headers, said: Said) -> Meaning:
        """What a body means."""


class GitHub:
    """GitHub, and what speaks like it."""

    def sends(self, headers: Headers) -> bool:
        """It names the event."""
        return "X-GitHub-Event" in headers

    def delivery(self, headers: Headers) -> str:
        """A header of its own."""
        return headers.get("X-GitHub-Delivery", "")

    def meaning(self, headers: Headers, said: Said) -> Meaning:
        """A push is news; whoever wants to hear of anything else says so."""
        kind = headers["X-GitHub-Event"]
        if kind == "push":
            commits = _commits(said)
            return _pushed(kind, said, said.get("deleted") is True, len(commits) >= MOST_COMMITS)
        return Meaning(kind, ("kind",), silent=kind == "ping")


class GitLab:
    """GitLab."""

    def sends(self, headers: Headers) -> bool:
        """It names the event."""
        return "X-Gitlab-Event" in headers

    def delivery(self, headers: Headers) -> str:
        """One of several headers, of which older versions have only the last."""
        return _first(headers, ("Idempotency-Key", signatures.ID, "X-Gitlab-Event-UUID"))

    def meaning(self, headers: Headers, said: Said) -> Meaning:
        """A push is news; whoever wants to hear of anything else says so."""
        named = [said.get(key) for key in ("object_kind", "event_name")]
        kinds = [each for each in named if isinstance(each, str) and each]
        kind = [*kinds, headers["X-Gitlab-Event"]][0]
        if kind not in ("push", "tag_push"):
            return Meaning(kind, ("kind",))
        gone = _GONE.fullmatch(str(said.get("after", ""))) is not None
        count = said.get("total_commits_count")
        return _pushed(kind, said, gone, isinstance(count, int) and count > len(_commits(said)))


class Anybody:
    """Anybody else: a body in JSON is an event, of a kind if a header says one."""

    def sends(self, headers: Headers) -> bool:  # noqa: ARG002 - whatever they are
        """Whoever is nobody else."""
        return True

    def delivery(self, headers: Headers) -> str:
        """One of several headers."""
        names = ("X-GitHub-Delivery", "X-Delivery-Id", signatures.ID, "Idempotency-Key")
        return _first(headers, names)

    def meaning(self, headers: Headers, said: Said) -> Meaning:
        """What they say is meant for us."""
        listed = [each for each in _listed(said, "paths") if isinstance(each, str)]
        return Meaning(
            headers.get("X-Event", ""),
            paths=tuple(listed[:MOST_PATHS]),
            more_paths=len(listed) > MOST_PATHS,
        )


SERVICES: tuple[Service, ...] = (GitHub(), GitLab(), Anybody())
"""The first one who sends such headers is who sent them."""


def read_body(headers: Headers, body: bytes) -> Said:
    """What a body says: JSON, or a form with JSON in its field ``payload``.

    Raises:
        ValueError: It is no JSON object.
    """
    text: str | bytes = body or b"{}"
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() == FORM:
        form = urllib.parse.parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
        text = form.get("payload", [""])[0]
    try:
        said = json.loads(text)
    except RecursionError:  # thousands of nested brackets
        raise ValueError("nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the caller says it to the sender
    return said


def event_of(name: str, delivery: str, meaning: Meaning, said: Said, body: bytes) -> Event:
    """The event of a delivery to the hook ``name``."""
    told = {
        "name": name,
        "kind": meaning.kind[:100],
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        # enough to filter by; a megabyte of it would be read again with every look at the ledger
        "fields": _fields(said) | meaning.fields,
        "paths": meaning.paths,
        "more_paths": meaning.more_paths,
        "only_for": meaning.only_for,
    }
    # what others write may hold what is no text: a header that is no UTF-8, half of a pair
    received = WebhookReceived.model_validate(json_values(told))
    return new_event(received, source=f"webhook/{name}", subject=name, id=delivery)


def is_delivery(text: str) -> bool:
    """Whether this can be the id of a delivery."""
    return _DELIVERY.fullmatch(text) is not None


def _first(headers: Headers, names: tuple[str, ...]) -> str:
    return next((headers[name] for name in names if name in headers), "")


def _listed(said: Said, key: str) -> list[Any]:
    value = said.get(key)
    return value if isinstance(value, list) else []


def _commits(said: Said) -> list[Said]:
    return [each for each in _listed(said, "commits") if isinstance(each, dict)]


def _pushed(kind: str, said: Said, gone: bool, more: bool) -> Meaning:
    touched = {
        path
        for commit in _commits(said)
        for change in ("added", "modified", "removed")
        for path in _listed(commit, change)
        if isinstance(path, str)
    }
    ref = str(said.get("ref", ""))
    return Meaning(
        kind,
        ("deleted",) if gone else (),
        {"deleted": gone} | ({"branch": ref[len(_BRANCH) :]} if ref.startswith(_BRANCH) else {}),
        tuple(sorted(touched)[:MOST_PATHS]),
        more or len(touched) > MOST_PATHS,
    )


def _fields(said: Said) -> dict[str, Value]:
    """The plain values of a body by their dotted names, those at its top first."""
    found: dict[str, Value] = {}
    # addresses come last: services add dozens of them, and nobody filters by them
    for name, value in sorted(_plain(said), key=lambda each: each[0].endswith("url")):
        if len(found) == MOST_FIELDS:
            break
        found.setdefault(name[:MOST_NAME], value[:MOST_TEXT] if isinstance(value, str) else value)
    return found


def _plain(said: Said) -> Iterator[tuple[str, Value]]:
    level: list[tuple[str, Said]] = [("", said)]
    for _ in range(MOST_DEPTH):
        below = []
        for prefix, values in level:
            for key, value in values.items():
                if isinstance(value, dict):
                    below.append((f"{prefix}{key}.", value))
                elif value is None or isinstance(value, str | int | float | bool):
                    yield f"{prefix}{key}", value
        level = below
