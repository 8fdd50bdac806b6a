"""Signed webhooks against a real ``serve``: how long each waits for its answer, and what is lost.

    python benchmarks/webhooks.py                 # 1,000 deliveries, 100 at a time
    python benchmarks/webhooks.py --kills 20      # kill -9 in the middle, again and again
    python benchmarks/webhooks.py --half-open 300 # beside connections that say nothing
    python benchmarks/webhooks.py --fire          # one delivery after 300 of these and 200 bad ones

A delivery counts as acknowledged when its sender has read ``202``. After a kill the ledger is read
again: each acknowledged delivery has to be in it, once.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from agents.ledger.store import Ledger

SECRET = "of-the-benchmark-0123456789"  # noqa: S105 - guards nothing
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Seen:
    """What the senders saw."""

    seconds: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0
    broken: int = 0


HALVES = (
    b"POST /hooks/retrain HTTP/1.1\r\nHost: here\r\nX-Hub",
    b"POST /hooks/retrain HTTP/1.1\r\nHost: here\r\nX-GitHub-Delivery: d\r\nContent-Length: 999\r\n"
    b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n\r\nthe beginning of a body",
    b"",
)


class Server:
    """``serve`` as a process of its own; what it says goes to a file in its state directory."""

    def __init__(self, state: Path) -> None:
        self.said = state / "said.txt"
        environment = {**os.environ, "AGENTS_WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agents", "serve", "port=0", f"state={state}", "--json"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["data"]["port"]

    def end(self) -> float:
        """Seconds from Ctrl-C to the end."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        return time.monotonic() - began


def body_of(number: int) -> bytes:
    """A push of the size that GitHub sends."""
    commit = {"id": f"{number:040x}", "message": "x" * 80, "modified": ["training/model.py"]}
    urls = {f"{name}_url": "https://api.example.org/repos/a/b/" + name for name in "abcdefghijkl"}
    repository = {"id": number, "full_name": "a/b", "default_branch": "main", **urls}
    pushed = {"ref": "refs/heads/main", "deleted": False, "commits": [commit] * 5}
    return json.dumps({**pushed, "repository": repository, "number": number}).encode()


async def send(port: int, ids: list[str], at_once: int, seen: Seen) -> None:
    """Send a delivery for each id, so many at a time."""
    todo = iter(ids)
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def sender() -> None:
            for id_ in todo:
                await deliver(session, port, id_, seen)

        await asyncio.gather(*[sender() for _ in range(at_once)])


async def deliver(session: aiohttp.ClientSession, port: int, id_: str, seen: Seen) -> None:
    """Send one delivery, and note how that went."""
    body = body_of(int(id_.rpartition("-")[2]))
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": id_,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    began = time.monotonic()
    try:
        address = f"http://127.0.0.1:{port}/hooks/retrain"
        async with session.post(address, data=body, headers=headers) as answer:
            await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        seen.broken += 1
        return
    seen.seconds.append(time.monotonic() - began)
    if answer.status in (200, 202):
        seen.acknowledged.append(id_)
    else:
        seen.refused += 1


def share(seconds: list[float], part: float) -> float:
    """The time that this part of them stayed below."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * part))]


def leave_half_open(open_: ExitStack, port: int, count: int) -> None:
    """Begin so many requests, and end none of them."""
    for number in range(count):
        half = open_.enter_context(socket.create_connection(("127.0.0.1", port)))
        half.sendall(HALVES[number % len(HALVES)])


def speed(deliveries: int, at_once: int, half_open: int) -> str:
    """A row of the table: all deliveries, beside connections that say nothing."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        state, seen = Path(folder), Seen()
        server = Server(state)
        leave_half_open(open_, server.port, half_open)
        ids = [f"d-{number}" for number in range(deliveries)]
        began = time.monotonic()
        asyncio.run(send(server.port, ids, at_once, seen))
        took, ended = time.monotonic() - began, server.end()
        kept = kept_in(state)
    assert sorted(kept) == sorted(seen.acknowledged), "what was acknowledged is not what is kept"
    p50, p99 = share(seen.seconds, 0.5), share(seen.seconds, 0.99)
    return (
        f"| {deliveries} | {at_once} | {half_open} | {len(seen.acknowledged)} | {took:.1f} s |"
        f" {p50 * 1000:.0f} ms | {p99 * 1000:.0f} ms | {max(seen.seconds) * 1000:.0f} ms |"
        f" {ended:.2f} s |"
    )


def kept_in(state: Path) -> list[str]:
    """The deliveries in a ledger."""
    with Ledger(state / "ledger.db", readonly=True) as ledger:
        return [event.id for event in ledger.events(types=("webhook.received",))]


def kills(times: int, deliveries: int, at_once: int, seed: int) -> str:
    """How often the server was killed, what was acknowledged, and what of that was lost."""
    chance = random.Random(seed)
    acknowledged: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        for round_ in range(times):
            server, seen = Server(state), Seen()
            ids = [f"k{round_}-{number}" for number in range(deliveries)]
            asyncio.run(killed_while_sending(server, ids, at_once, seen, chance.uniform(0.0, 0.5)))
            server.end()
            acknowledged += seen.acknowledged
        kept = kept_in(state)
        with Ledger(state / "ledger.db") as ledger:
            problems = ledger.check()
    lost, twice = set(acknowledged) - set(kept), len(kept) - len(set(kept))
    assert not problems, problems
    assert not lost, f"acknowledged and lost: {sorted(lost)}"
    assert not twice, f"kept twice: {twice}"
    return (
        f"{times} kills: {len(acknowledged)} acknowledged, {len(kept)} kept,"
        f" {len(lost)} lost, {twice} twice; the chain is whole"
    )


def fire(half_open: int, bad: int) -> str:
    """How a server does that strangers have been at."""
    bodies = (b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"POST /hooks/a HTTP/1.1\r\nno\r\n\r\n")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        state, seen = Path(folder), Seen()
        server = Server(state)
        leave_half_open(open_, server.port, half_open)
        for number in range(bad):
            with socket.create_connection(("127.0.0.1", server.port)) as stranger:
                stranger.sendall(bodies[number % len(bodies)])
        before = server.said.stat().st_size
        asyncio.run(send(server.port, ["d-1"], 1, seen))
        ended, kept = server.end(), kept_in(state)
    assert kept == seen.acknowledged == ["d-1"], "the delivery was not kept"
    return (
        f"{half_open} half-open connections and {bad} bad requests: {before} bytes said, a delivery"
        f" answered in {seen.seconds[0] * 1000:.0f} ms, Ctrl-C ends it in {ended:.2f} s"
    )


async def killed_while_sending(
    server: Server, ids: list[str], at_once: int, seen: Seen, seconds: float
) -> None:
    """Kill the server so many seconds after the first acknowledgement."""
    sending = asyncio.ensure_future(send(server.port, ids, at_once, seen))
    while not seen.acknowledged and not sending.done():
        await asyncio.sleep(0.001)
    await asyncio.sleep(seconds)
    server.process.kill()
    await sending


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--half-open", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--fire", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.kills:
        print(kills(asked.kills, asked.deliveries, asked.at_once, asked.seed))
        return
    if asked.fire:
        print(fire(asked.half_open or 300, 200))
        return
    print("| deliveries | at once | half-open | acknowledged | all | p50 | p99 | most | Ctrl-C |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(speed(asked.deliveries, asked.at_once, asked.half_open))


if __name__ == "__main__":
    main()
