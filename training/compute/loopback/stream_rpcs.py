"""Answers that stream: what generators yield, and what containers print."""

from __future__ import annotations  # older clients lack some of the messages named here

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from modal_proto import api_pb2 as pb

from training.compute.loopback.bell import Bell
from training.compute.loopback.messages import Empty, make
from training.compute.loopback.world import Peer, World

__all__ = ["StreamAnswers"]

LOOK_SECONDS = 0.1
"""How often it is looked whether a container printed something."""

_HELD_SECONDS = 50.0
_MOST = 1 << 18


class StreamAnswers:
    """The RPCs that give a piece at a time.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._bell = Bell()
        self._chunks: defaultdict[str, dict[int, pb.DataChunk]] = defaultdict(dict)

    async def function_call_put_data_out(
        self, request: pb.FunctionCallPutDataRequest, _: Peer
    ) -> Empty:
        """What a generator yielded; one that is tried again yields under the same numbers."""
        self._chunks[request.function_call_id] |= {each.index: each for each in request.data_chunks}
        self._bell.ring()
        return Empty()

    async def function_call_get_data_out(
        self, request: pb.FunctionCallGetDataRequest, _: Peer
    ) -> AsyncIterator[pb.DataChunk]:
        """What a generator yields, from where the client is; it asks again after a while."""
        chunks, index = self._chunks[request.function_call_id], request.last_index + 1
        until = time.monotonic() + _HELD_SECONDS
        while (left := until - time.monotonic()) > 0:
            while index in chunks:
                yield chunks[index]
                index += 1
            await self._bell.wait(left)

    async def app_get_logs(
        self, request: pb.AppGetLogsRequest, _: Peer
    ) -> AsyncIterator[pb.TaskLogsBatch]:
        """What the containers of an app print, from where the client is."""
        app = self._world.apps.get(request.app_id)
        read: dict[str, int] = json.loads(request.last_entry_id or "{}")
        until = time.monotonic() + request.timeout
        while True:
            containers = self._world.containers
            of_app = [t for t, own in containers.app_of_task.items() if own == app.identity]
            tasks = [t for t in of_app if request.task_id in ("", t)]
            over = app.state == pb.APP_STATE_STOPPED and not set(tasks) & set(containers.running)
            for task in tasks:
                if piece := self._piece(task, read):
                    yield piece
            if over:
                yield make(pb.TaskLogsBatch, app_done=True)
            if over or time.monotonic() > until:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _piece(self, task: str, read: dict[str, int]) -> pb.TaskLogsBatch | None:
        """What a container printed since, in whole characters."""
        path = self._world.containers.log_of(task)
        if not path.exists():
            return None
        with path.open("rb") as file:
            file.seek(read.get(task, 0))
            content = file.read(_MOST)
        if not content:
            return None
        read[task] = read.get(task, 0) + len(content)
        text = content.decode(errors="replace")
        item = make(
            pb.TaskLogs, data=text, file_descriptor=pb.FILE_DESCRIPTOR_STDOUT, timestamp=time.time()
        )
        return make(pb.TaskLogsBatch, task_id=task, items=[item], entry_id=json.dumps(read))
