"""Several machines at one training: the first carries it, the others run its script beside it.

The first one, of rank 0, does all that is on the volume: it seals, commits, judges and keeps the
account of all. The others listen to it::

    rank N -> hello              rank 0 -> begin: settings, checkpoint, deadline
    rank N -> ended: exit code   rank 0 -> stop | bye

A line of JSON each. Who is not there any more is noticed by its connection: then all end.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from training.errors import FailureClass
from training.runner.ending import Failure

__all__ = ["JOIN_SECONDS", "LOOK_SECONDS", "Crew", "Node", "Nodes", "listening", "messages"]

JOIN_SECONDS: Final = 300.0
"""How long is waited for a machine that starts later than the others."""

LOOK_SECONDS: Final = 0.2
SETTLE_SECONDS: Final = 3.0
_FIRST_PORT, _PORTS = 20_000, 10_000


@dataclass(frozen=True)
class Nodes:
    """Where one machine stands among those of a training.

    Attributes:
        rank: Which it is, from 0.
        addresses: Where each is reached, by rank.
        about: What is the same for all of one call and for no other call: its key and its id.
    """

    rank: int
    addresses: tuple[str, ...]
    about: str

    @property
    def port(self) -> int:
        """Where the first one listens for the scripts; for the runners, one below.

        A machine may carry several trainings, as in a rehearsal, so it is another for each.
        """
        import hashlib  # noqa: PLC0415 - only where there are several

        digest = hashlib.sha256(self.about.encode()).digest()
        return _FIRST_PORT + 1 + int.from_bytes(digest[:4], "big") % (_PORTS // 2) * 2

    def environment(self) -> dict[str, str]:
        """What a script finds in its environment; ``torchrun`` reads ``PET_…`` itself."""
        told = {
            "MASTER_ADDR": self.addresses[0],
            "MASTER_PORT": str(self.port),
            "NODE_RANK": str(self.rank),
            "NNODES": str(len(self.addresses)),
        }
        return {**told, **{f"PET_{name}": value for name, value in told.items()}}


@dataclass(frozen=True)
class Node:
    """Another machine, as it said hello: since when it is ours, and what it is."""

    rank: int
    began: float
    device: str


class Crew:
    """The other machines, as the first one sees them.

    Args:
        nodes: Where this one stands: its rank is 0.
        server: What listens for them.
    """

    def __init__(self, nodes: Nodes, server: socket.socket) -> None:
        self.nodes = nodes
        self._server = server
        self._lock = threading.Lock()
        self._links: dict[int, socket.socket] = {}
        self._wrong: Failure | None = None
        self._bye = False
        self.others: tuple[Node, ...] = ()
        threading.Thread(target=self._accept, name="nodes", daemon=True).start()

    def gathered(self, stopped: Callable[[], object]) -> Failure | None:
        """Wait for all; why they are not there, or None. Ends early when it is stopped."""
        until = time.monotonic() + JOIN_SECONDS
        while len(self.others) < len(self.nodes.addresses) - 1 and not stopped():
            if time.monotonic() > until:
                return _gone(f"only {len(self.others) + 1} of {len(self.nodes.addresses)} came")
            time.sleep(0.05)
        return self._wrong

    def begin(self, **told: Any) -> None:
        """Let the others start the script."""
        self._tell({"begin": told})

    def stop(self, why: str) -> None:
        """Let the others stop it, in peace."""
        self._tell({"stop": why})

    @property
    def wrong(self) -> Failure | None:
        """Why to end: one is gone, or its script failed; None to go on."""
        return self._wrong

    def settle(self) -> None:
        """Wait a moment for the word of a machine that failed or is gone, if there is such."""
        until = time.monotonic() + SETTLE_SECONDS
        while self._wrong is None and time.monotonic() < until:
            time.sleep(0.05)

    def close(self) -> None:
        """Let the others go."""
        self._bye = True
        self._tell({"bye": True})
        self._server.close()
        with self._lock:
            for link in self._links.values():
                link.close()

    def _tell(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            for link in self._links.values():
                with suppress(OSError):
                    link.sendall(json.dumps(message).encode() + b"\n")

    def _accept(self) -> None:
        while not self._bye:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(link,), name="node", daemon=True).start()

    def _hear(self, link: socket.socket) -> None:
        heard = messages(link)
        hello = next(heard, {})
        if hello.get("about") != self.nodes.about:
            link.close()  # of another call
            return
        node = Node(int(hello["rank"]), float(hello["began"]), str(hello["device"]))
        with self._lock:
            self._links[node.rank] = link
            self.others = tuple(sorted((*self.others, node), key=_rank_of))
        for message in heard:
            if "stopped" in message:
                self._note(_gone(f"node {node.rank} was stopped by {message['stopped']}"))
            if message.get("ended"):
                said = f": {message['said']}" if message.get("said") else ""
                text = f"the script ended with exit code {message['ended']} on node {node.rank}"
                code = int(message["ended"])
                self._note(Failure(FailureClass.UNKNOWN, f"exit_{code}", text + said, code))
        if not self._bye:
            self._note(_gone(f"node {node.rank} is gone"))

    def _note(self, failure: Failure) -> None:
        self._wrong = self._wrong or failure


@contextmanager
def listening(nodes: Nodes | None) -> Iterator[Crew | None]:
    """The crew of the first machine, let go at the end; None where it is alone."""
    if nodes is None:
        yield None
        return
    family = socket.AF_INET6 if ":" in nodes.addresses[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((nodes.addresses[0], nodes.port - 1))
        server.listen()
        crew = Crew(nodes, server)
        try:
            yield crew
        finally:
            crew.close()


def messages(link: socket.socket) -> Iterator[dict[str, Any]]:
    """What comes over a connection, until it ends."""
    with suppress(OSError, ValueError), link.makefile("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _rank_of(node: Node) -> int:
    return node.rank


def _gone(what: str) -> Failure:
    message = f"{what}; the next attempt goes on from the checkpoint"
    return Failure(FailureClass.INTERRUPTED, "node_lost", message)
