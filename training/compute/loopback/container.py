"""One container, as the control plane knows it."""

import asyncio
import base64
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modal_proto import api_pb2

from training.compute.loopback.bell import Bell
from training.compute.loopback.calls import Call
from training.compute.loopback.messages import parse
from training.compute.loopback.mounted import MountedVolume

__all__ = ["Container", "Fate", "content_of", "send"]

Fate = Literal["preempted", "out_of_memory", "crashed"]


@dataclass
class Container:
    """One container.

    Attributes:
        root: Its directory: ``root/`` is the source, volumes lie at their mount paths.
        failure: Why it could not start, as it said itself.
        asked: The call whose input it asked for last.
        rank: Which of its cluster it is; `cluster`, all of them, itself where it is in none.
        started: When its process began, in seconds since 1970; 0 before that.
        here: Whether it said hello to its cluster; `answered`, whether it did its part.
        watched: How often its time began anew.
    """

    task: str
    function: str
    definition: api_pb2.Function
    root: Path
    call: Call | None = None
    process: asyncio.subprocess.Process | None = None
    volumes: dict[str, MountedVolume] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)
    failure: api_pb2.GenericResult | None = None
    asked: Call | None = None
    rank: int = 0
    cluster: "list[Container]" = field(default_factory=list)
    here: bool = False
    answered: bool = False
    watched: int = 0

    @property
    def lead(self) -> "Container":
        """The one of its cluster whose answer counts."""
        return self.cluster[0]

    draining: bool = False
    began: bool = False
    started: float = 0.0


def content_of(call: Call) -> api_pb2.FunctionInput:
    """The arguments of a call."""
    return parse(api_pb2.FunctionInput, base64.b64decode(call.content))


def send(container: Container, number: signal.Signals) -> None:
    """Send a signal: SIGINT to the entrypoint, SIGKILL to all it started as well."""
    process = container.process
    if process is None:
        return
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        elif process.returncode is None:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return
