"""Who may start a training: one claim per launch, in a `modal.Dict` that every launcher sees.

A launch is claimed before its call is made, and the call's id is written into the claim. A
launcher that dies between the two leaves a claim without a call. Whoever comes next looks through
the function's calls before it makes another one: a call says at its start which training it has.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import modal

from training.errors import Unreachable
from training.modal_app import APP_NAME, CLAIMS_NAME

__all__ = ["Claim", "Claims"]

CLAIM_SECONDS = 120.0
"""A launcher on another machine that claimed so long ago and made no call is taken for dead."""

_CALLS = 500
_TIMEOUT_SECONDS = 60.0
_NOT_OVER = ("pending", "running", "unspecified")


@dataclass(frozen=True)
class Claim:
    """One launch of a training.

    Attributes:
        number: 0 for the first launch of the key.
        call: The call it made; empty until it is made.
        time: When it was claimed, in seconds since 1970.
        host: Machine and boot of the launcher.
        pid: Its process, and `began`, when that process began, so that a reused number is seen.
    """

    number: int
    call: str
    time: float
    host: str = ""
    pid: int = 0
    began: str = ""

    def launcher_lives(self, now: float) -> bool:
        """Whether the launcher may still be about to make its call."""
        if self.host == _host():
            return _began(self.pid) == self.began
        return now - self.time < CLAIM_SECONDS


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

    def take(self, key: str, number: int) -> Claim | None:
        """Claim a launch; None when somebody else has this number."""
        pid = os.getpid()
        mine = Claim(number, "", self._clock(), _host(), pid, _began(pid))
        first = self._dict.put(f"{key}/{number}", asdict(mine), skip_if_exists=True)
        return mine if first else None

    def tell(self, key: str, claim: Claim, call: str) -> None:
        """Write the call into its claim."""
        self._dict.put(f"{key}/{claim.number}", {**asdict(claim), "call": call})

    def call_of(self, key: str, claim: Claim) -> str:
        """The call of a claim, looked up when its launcher died; empty when it made none.

        Raises:
            Unreachable: That cannot be known yet.
        """
        if claim.call:
            return claim.call
        if claim.launcher_lives(self._clock()):
            raise Unreachable(
                f"another launcher is starting {key} this moment",
                fix="run the same command again: it attaches to the call",
                code="being_launched",
            )
        entries = {str(name): value for name, value in self._dict.items()}
        named = {value["call"] for value in entries.values() if isinstance(value, Mapping)}
        for name, value in entries.items():
            call = name.removeprefix("call/")
            if value == key and call not in named:
                self.tell(key, claim, call)
                return call
        listed = self._listed()
        waiting = [call for call, over in listed.items() if not over and call not in named]
        if any(f"call/{call}" not in entries for call in waiting):
            raise Unreachable(
                f"a call waits for its container, and may be that of {key}",
                fix="run the same command again: it is known when the container starts",
                code="call_without_name",
            )
        return ""

    def _listed(self) -> dict[str, bool]:
        """Id → whether it is over, for the newest calls of the training function."""
        words = ["function", "calls", f"{APP_NAME}/train", "--tail", str(_CALLS), "--json"]
        if self._environment:
            words += ["--env", self._environment]
        done = subprocess.run(
            [sys.executable, "-m", "modal", *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode and "not found" in (done.stdout + done.stderr).lower():
            return {}  # never deployed, so never called
        if done.returncode:
            raise Unreachable(
                f"the calls of {APP_NAME}/train cannot be listed: {done.stderr.strip()[-200:]}",
                fix="modal " + " ".join(words) + ", then run the same command again",
                code="claim_without_call",
            )
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return {row["function_call_id"]: row["status"] not in _NOT_OVER for row in rows}


def _claim(number: int, found: Mapping[str, Any]) -> Claim:
    known = {
        name: found[name] for name in ("call", "time", "host", "pid", "began") if name in found
    }
    return Claim(number, **known)


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
