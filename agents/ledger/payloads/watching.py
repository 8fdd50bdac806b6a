"""What sources say of the world outside, and watchers of what they did about it."""

from typing import ClassVar

from pydantic import Field

from agents.ledger.payloads.base import Payload, Value

__all__ = [
    "FileChanged",
    "FileSeen",
    "GitCommit",
    "GitSeen",
    "ScheduleDue",
    "ScheduleSeen",
    "TriggerDeferred",
    "TriggerHandled",
    "WatchStarted",
    "WebhookReceived",
]


class GitSeen(Payload):
    """The commit from which on a branch is watched."""

    kind: ClassVar[str] = "git.seen"

    commit: str
    branch: str


class GitCommit(GitSeen):
    """A commit on a branch, with the paths it touches."""

    kind: ClassVar[str] = "git.commit"

    paths: tuple[str, ...] = ()


class FileSeen(Payload):
    """The fingerprint from which on files are watched."""

    kind: ClassVar[str] = "file.seen"

    fingerprint: str
    paths: tuple[str, ...] = ()


class FileChanged(FileSeen):
    """Files are not what they were: the new fingerprint, and the names that changed."""

    kind: ClassVar[str] = "file.changed"


class ScheduleSeen(Payload):
    """The last moment a schedule was due when it was first looked at."""

    kind: ClassVar[str] = "schedule.seen"

    due: str


class ScheduleDue(ScheduleSeen):
    """A schedule was due."""

    kind: ClassVar[str] = "schedule.due"


class WebhookReceived(Payload):
    """A delivery: its kind, the digest of its body, and the plain values in it.

    Attributes:
        fields: Values by their dotted names, those at the top of the body first.
        paths: The files it is about.
        more_paths: There are others as well.
        only_for: What a trigger has to name to be prompted by it.
    """

    kind: ClassVar[str] = "webhook.received"

    name: str
    delivery_kind: str = Field("", alias="kind")
    sha256: str = ""
    bytes: int = 0
    fields: dict[str, Value] = Field(default_factory=dict)
    paths: tuple[str, ...] = ()
    more_paths: bool = False
    only_for: tuple[str, ...] = ()


class WatchStarted(Payload):
    """A watcher begins, for these goals."""

    kind: ClassVar[str] = "watch.started"

    goals: tuple[str, ...] = ()


class TriggerHandled(Payload):
    """A goal was looked at because of events, up to a sequence number.

    Attributes:
        through: The sequence number of the last of them.
        events: Their ids; of many, the first ones.
        run: The run that followed; empty where there was none.
        status: How the look ended.
    """

    kind: ClassVar[str] = "trigger.handled"

    through: int
    events: tuple[str, ...] = ()
    count: int = 0
    run: str = ""
    status: str = ""
    exit_code: int = 0


class TriggerDeferred(TriggerHandled):
    """A look that failed in passing, and is made again later."""

    kind: ClassVar[str] = "trigger.deferred"
