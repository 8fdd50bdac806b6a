"""Who may start a training: one claim per launch, in a `modal.Dict` that every launcher sees.

A launch is claimed before its call is made, and the call's id is written into the claim. A
launcher that dies between the two leaves a claim without a call. Whoever comes next looks through
the function's calls before it makes another one: a call says at its start which training it has.

A request for a call may arrive after all that, from a launcher that slept or died. So the calls of
a key take turns: after each call exactly one other may train, and the second to ask for the same
turn ends at once. `modal.Dict` decides who was first.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import modal

from training.compute.modal.container import CLAIMS_NAME
from training.compute.modal.entering import turn
from training.compute.recipe import Hardware
from training.errors import Unreachable

__all__ = ["Claim", "Claims", "being_launched"]

CLAIM_SECONDS = 120.0
"""A launcher on another machine that claimed so long ago and made no call is taken for dead; so
is a call that nobody can list and that did not start by then."""

SETTLE_SECONDS = 10.0
"""What a launcher sent just before it died may arrive so long after it claimed."""

_CALLS = 500
_TIMEOUT_SECONDS = 60.0
_NOT_OVER = ("pending", "running", "unspecified")
_LAUNCHING: set[str] = set()
"""Claims of this process whose call is being made this moment."""


@dataclass(frozen=True)
class Claim:
    """One launch of a training.

    Attributes:
        number: 0 for the first launch of the key.
        call: The call it made; empty until it is made.
        function: What it calls: ``app/function``; a claim of an earlier version does not say it.
        time: When it was claimed, in seconds since 1970.
        host: Machine and boot of the launcher.
        waits_for: What the call waits for, and `queue_timeout`, for how many seconds at most; None:
            for ever.
        pid: Its process, and `began`, when that process began, so that a reused number is seen.
        refused: Why its call was not made, as the platform said it; empty: it may have been made.
    """

    number: int
    call: str
    time: float
    function: str = "goap-training/train"
    host: str = ""
    pid: int = 0
    began: str = ""
    refused: str = ""
    waits_for: str = ""
    queue_timeout: float | None = None

    @property
    def app(self) -> str:
        """The app of what it calls."""
        return self.function.partition("/")[0]

    def may_be_called(self, key: str, now: float) -> bool:
        """Whether the launcher may still make its call, or its request be on the way."""
        if now - self.time < SETTLE_SECONDS:
            return True
        if self.host != _host():
            return now - self.time < CLAIM_SECONDS
        if self.pid == os.getpid():
            return f"{key}/{self.number}" in _LAUNCHING
        return _began(self.pid) == self.began


class Claims:
    """The claims of every training.

    Args:
        environment: The workspace's environment; the default one when None.
        clock: Seconds since 1970.
    """

    def __init__(self, environment: str | None, clock: Callable[[], float]) -> None:
        self._environment = environment
        self._clock = clock
        self._dict = modal.Dict.from_name(
            CLAIMS_NAME, environment_name=environment, create_if_missing=True
        )

    def newest(self, key: str) -> Claim | None:
        """The newest claim of a key."""
        newest, number = None, 0
        while (found := self._dict.get(f"{key}/{number}")) is not None:
            newest = _claim(number, found)
            number += 1
        return newest

    def numbered(self, key: str, number: int) -> Claim | None:
        """The claim of one launch of a key; None where it is forgotten."""
        found = self._dict.get(f"{key}/{number}")
        return None if found is None else _claim(number, found)

    @contextmanager
    def taken(
        self, key: str, number: int, function: str, hardware: Hardware
    ) -> Iterator[Claim | None]:
        """Claim a launch while its call is made; None when somebody else has this number."""
        pid, name = os.getpid(), f"{key}/{number}"
        mine = Claim(
            *(number, "", self._clock(), function, _host(), pid, _began(pid)),
            waits_for=" or ".join(hardware.gpu),
            queue_timeout=hardware.queue_timeout,
        )
        _LAUNCHING.add(name)
        try:
            first = self._dict.put(name, asdict(mine), skip_if_exists=True)
            yield mine if first else None
        finally:
            _LAUNCHING.discard(name)

    def tell(self, key: str, claim: Claim, call: str) -> None:
        """Write the call into its claim."""
        self._dict.put(f"{key}/{claim.number}", {**asdict(claim), "call": call})

    def take_back(self, key: str, claim: Claim, why: str) -> None:
        """Write into a claim that its call was refused: there is nothing to wait or look for.

        The claim stays, so that no number is ever claimed twice.
        """
        self._dict.put(f"{key}/{claim.number}", {**asdict(claim), "refused": why})

    def call_of(self, key: str, claim: Claim) -> str:
        """The call of a claim, looked up when its launcher died; empty when it made none.

        Raises:
            Unreachable: That cannot be known yet.
        """
        if claim.call or claim.refused:
            return claim.call
        if claim.may_be_called(key, self._clock()):
            raise being_launched(key)
        # listed first: a call that starts and ends while we look has said its name by then
        listed = self._listed(claim.function)
        entries = {str(name): value for name, value in self._dict.items()}
        launches = (value for value in entries.values() if isinstance(value, Mapping))
        named = {value["call"] for value in launches if "call" in value}
        for name, value in entries.items():
            call = name.removeprefix("call/")
            if name != call and value == key and call not in named:
                self.tell(key, claim, call)
                return call
        if listed is None and self._clock() - claim.time < CLAIM_SECONDS:
            raise being_launched(key)
        over_or_not = listed or {}
        waiting = [call for call, over in over_or_not.items() if not over and call not in named]
        if any(f"call/{call}" not in entries for call in waiting):
            raise Unreachable(
                f"a call waits for its container, and may be that of {key}",
                fix="run the same command again: it is known when the container starts",
                code="call_without_name",
            )
        return ""

    def turns(self, key: str, lease: str) -> list[str]:
        """The calls that trained a key one after the other, from the one that holds the lease."""
        found = [lease] if lease else []
        while (call := self._dict.get(turn(key, found[-1] if found else ""))) is not None:
            found.append(call)
        return found

    def _listed(self, function: str) -> dict[str, bool] | None:
        """Id → whether it is over, for the newest calls of a function on whatever hardware.

        None where the client cannot list calls (before 1.6). A call that is made all the same
        finds its turn taken, and ends at once.
        """
        words = ["function", "calls", function, "--all-variants", "--tail", str(_CALLS), "--json"]
        if self._environment:
            words += ["--env", self._environment]
        done = subprocess.run(
            [sys.executable, "-m", "modal", *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
            start_new_session=True,
            check=False,
        )
        if done.returncode and "No such command" in done.stderr:
            return None
        if done.returncode and "not found" in (done.stdout + done.stderr).lower():
            return {}  # never deployed, so never called
        if done.returncode:
            raise Unreachable(
                f"the calls of {function} cannot be listed: {done.stderr.strip()[-200:]}",
                fix="modal " + " ".join(words) + ", then run the same command again",
                code="claim_without_call",
            )
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return {row["function_call_id"]: row["status"] not in _NOT_OVER for row in rows}


def being_launched(key: str) -> Unreachable:
    """What a launcher says that came second, or that cannot know yet what became of the first."""
    return Unreachable(
        f"another launcher is starting {key} this moment",
        fix="run the same command again: it attaches to the call",
        code="being_launched",
    )


def _claim(number: int, found: Mapping[str, Any]) -> Claim:
    names = (
        *("call", "time", "function", "host", "pid", "began", "refused"),
        *("waits_for", "queue_timeout"),
    )
    return Claim(number, **{name: found[name] for name in names if name in found})


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{platform.node()} {boot}"


def _began(pid: int) -> str:
    """When a process began, in the system's own count; empty when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if Path("/proc").is_dir():
            return ""
        try:
            os.kill(pid, 0)
        except OSError:
            return ""
        return "running"
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
