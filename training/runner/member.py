"""What a machine of rank 1 or later does: run the script beside that of the first one.

It writes nothing to the volume: its run directory is its own and goes with it.
"""

import json
import queue
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.errors import Unreachable
from training.runner.call import Call, data_directory, script_base
from training.runner.command import filled
from training.runner.device import device_name
from training.runner.ends import STOPPED
from training.runner.nodes import JOIN_SECONDS, LOOK_SECONDS, Nodes, messages
from training.runner.order import Order, read_order
from training.runner.process import Script, mark_of
from training.runner.signals import Stop
from training.runner.stage import work_directory
from training.store.layout import LocalLayout

__all__ = ["attend"]


def attend(
    root: Path, key: str, nodes: Nodes, stop: Stop, call: Call, refresh: Callable[[], None]
) -> str:
    """Run the script as the first machine says, until it says that all is over; how that was.

    Args:
        root: The directory of the volume.
        key: The training.
        nodes: Where this machine stands.
        stop: Asked by the caller to end early.
        call: Where and how it runs.
        refresh: Makes what the first one committed visible here.

    Raises:
        Unreachable: The first machine is not there, or is gone.
    """
    with _linked(nodes, call, stop) as link:
        member = _Member(LocalLayout(root.absolute(), key), nodes, stop, call, link)
        return member.attended(refresh)


class _Member:
    def __init__(
        self, layout: LocalLayout, nodes: Nodes, stop: Stop, call: Call, link: socket.socket
    ) -> None:
        self._layout, self._nodes, self._stop, self._call = layout, nodes, stop, call
        self._link = link
        self._heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._hear, name="first node", daemon=True).start()

    def attended(self, refresh: Callable[[], None]) -> str:
        """Wait for the beginning, run the script, wait for the end."""
        with self._stop.listening():
            message = self._next(JOIN_SECONDS * 2)
            if message is None or "begin" not in message:
                return "over"
            refresh()
            return self._scripted(read_order(self._layout.spec_path), message["begin"])

    def _scripted(self, order: Order, told: Mapping[str, Any]) -> str:
        with (
            tempfile.TemporaryDirectory() as scratch,
            work_directory(order, self._layout, self._call.scratch) as work,
        ):
            run = Path(scratch)
            places = self._places(order, run, told)
            settings = run / "settings.json"
            settings.write_text(json.dumps(told["settings"]) + "\n", encoding="utf-8")
            words = filled(order.command, {**told["settings"], **places}, shell=order.shell)
            log = run / "training.log"
            script = Script(
                ["sh", "-c", words[0]] if order.shell else words,
                directory=work,
                environment={
                    **script_base(self._call),
                    **order.parts.env,
                    **{f"GOAP_{name.upper()}": place for name, place in places.items()},
                    "GOAP_SETTINGS": str(settings),
                    "GOAP_KEY": order.key,
                    **({"GOAP_DEADLINE": told["deadline"]} if told["deadline"] else {}),
                    **self._nodes.environment(),
                },
                log=log,
                mark=mark_of(run, order.key),
                grace=self._call.grace,
            )
            try:
                return self._followed(script, log)
            finally:
                script.close()

    def _followed(self, script: Script, log: Path) -> str:
        told, asked = False, False
        while (code := script.wait(LOOK_SECONDS)) is None:
            if self._stop.reason and not told:
                self._tell(stopped=self._stop.reason)
                told = True
            if self._stop.reason or self._over():
                asked = True
                script.stop()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        self._say("\n".join(lines[-20:]))
        failed = code not in STOPPED and not asked
        self._tell(ended=code if failed else 0, said=lines[-1] if failed and lines else "")
        until = time.monotonic() + JOIN_SECONDS
        while not self._bye and not self._stop.reason and time.monotonic() < until:
            self._next(LOOK_SECONDS)
        return self._stop.reason or "over"

    _bye = False
    _stopping = False

    def _over(self) -> bool:
        """Whether the first one said to stop, or left."""
        while not self._heard.empty():
            self._take(self._heard.get())
        return self._stopping or self._bye

    def _next(self, seconds: float) -> dict[str, Any] | None:
        until = time.monotonic() + seconds
        while not self._stop.reason and time.monotonic() < until:
            try:
                return self._take(self._heard.get(timeout=LOOK_SECONDS))
            except queue.Empty:
                continue
        return None

    def _take(self, message: dict[str, Any] | None) -> dict[str, Any] | None:
        self._bye = self._bye or message is None or "bye" in message
        self._stopping = self._stopping or message is None or "stop" in message
        return message

    def _hear(self) -> None:
        for message in messages(self._link):
            self._heard.put(message)
        self._heard.put(None)

    def _tell(self, **message: Any) -> None:
        try:
            self._link.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._bye = True

    def _say(self, text: str) -> None:
        if self._call.console is not None and text:
            self._call.console(f"node {self._nodes.rank}:\n{text}\n")

    def _places(self, order: Order, run: Path, told: Mapping[str, Any]) -> dict[str, str]:
        root = self._layout.root
        return {
            "run_dir": str(run),
            "resume": str(root / told["resume"]) if told["resume"] else "",
            "data_dir": data_directory(order, root, self._call),
            "init": str(root / order.init.checkpoint) if order.init is not None else "",
        }


@contextmanager
def _linked(nodes: Nodes, call: Call, stop: Stop) -> Iterator[socket.socket]:
    """A connection to the first machine, which may start later than this one."""
    began = time.time() if call.rented.began is None else call.rented.began
    hello = {
        "about": nodes.about,
        "rank": nodes.rank,
        "began": began,
        "device": device_name(),
    }
    until = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            link = socket.create_connection((nodes.addresses[0], nodes.port - 1), 5.0)
            break
        except OSError as error:
            if time.monotonic() > until or stop.reason:
                raise Unreachable(
                    f"node {nodes.rank} does not reach node 0: {error}",
                    fix="run the same command again",
                    code="node_lost",
                ) from error
            time.sleep(LOOK_SECONDS)
    with link:
        link.settimeout(None)
        link.sendall(json.dumps(hello).encode() + b"\n")
        yield link
