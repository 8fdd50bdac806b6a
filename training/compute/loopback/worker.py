"""Answers to containers: inputs, outputs, heartbeats, and their volumes."""

from __future__ import annotations  # older clients lack some of the messages named here

import asyncio
import time

from modal_proto import api_pb2 as pb

from training.compute.loopback.calls import Call
from training.compute.loopback.clusters import address_of
from training.compute.loopback.container import Container, content_of
from training.compute.loopback.messages import Empty, make
from training.compute.loopback.refusal import not_found, precondition
from training.compute.loopback.world import Peer, World

__all__ = ["Worker"]

HEARTBEAT_SECONDS = 8.0
"""How long a heartbeat is held while nothing is to be said; the client waits 15 s for it."""

CLUSTER_SECONDS = 120.0
"""How long a container of a cluster waits for the others."""


class Worker:
    """The RPCs that only a container uses.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def container_hello(self, _: Empty, __: Peer) -> Empty:
        """A container is here."""
        return Empty()

    async def container_heartbeat(
        self, _: pb.ContainerHeartbeatRequest, peer: Peer
    ) -> pb.ContainerHeartbeatResponse:
        """Held until an input is to be cancelled, or for a while."""
        container = _of(peer)
        if not container.cancelled:
            await container.bell.wait(HEARTBEAT_SECONDS)
        if not container.cancelled:
            return make(pb.ContainerHeartbeatResponse)
        inputs, container.cancelled = container.cancelled, []
        event = make(pb.CancelInputEvent, input_ids=inputs)
        return make(pb.ContainerHeartbeatResponse, cancel_input_event=event)

    async def function_get_inputs(
        self, _: pb.FunctionGetInputsRequest, peer: Peer
    ) -> pb.FunctionGetInputsResponse:
        """The next input; when none comes for a while, the word to end."""
        container = _of(peer)
        container.began = True
        if container.rank:
            return await self._shared(container)
        call = container.call
        if call is not None and call.task == container.task and call.stopping:
            self._world.calls.finish(call, make(pb.GenericResult), 0)  # before it began
        if (asked := container.asked) is not None and await self._busy(container, asked):
            return make(pb.FunctionGetInputsResponse)
        if call is None or call.state != "running" or call.task != container.task:
            call = await self._next(container)
        if call is None or container.draining:
            item = make(pb.FunctionGetInputsItem, kill_switch=True)
            return make(pb.FunctionGetInputsResponse, inputs=[item])
        container.asked = call
        self._world.containers.watch(container, container.definition.timeout_secs)
        return _handed(call)

    async def _shared(self, container: Container) -> pb.FunctionGetInputsResponse:
        """The one input of a cluster, which each of its containers gets."""
        call = container.lead.call
        if container.asked is not None or container.draining or call is None:
            item = make(pb.FunctionGetInputsItem, kill_switch=True)
            return make(pb.FunctionGetInputsResponse, inputs=[item])
        container.asked = call
        return _handed(call)

    async def task_cluster_hello(
        self, request: pb.TaskClusterHelloRequest, peer: Peer
    ) -> pb.TaskClusterHelloResponse:
        """A container of a cluster is here; it learns of the others when all are."""
        container = _of(peer)
        container.here = True
        self._world.calls.bell.ring()
        until = time.monotonic() + CLUSTER_SECONDS
        while not all(each.here for each in container.cluster):
            left = until - time.monotonic()
            if left <= 0:
                raise precondition(f"not all of the cluster of {request.task_id} came")
            await self._world.calls.bell.wait(left)
        addresses = [address_of(each.rank) for each in container.cluster]
        return make(
            pb.TaskClusterHelloResponse,
            cluster_id=f"cu-{container.lead.task.removeprefix('ta-')}",
            cluster_rank=container.rank,
            container_ips=addresses,
            container_ipv4_ips=addresses,
        )

    async def _busy(self, container: Container, asked: Call) -> bool:
        """Whether a container still works on the input that it has, after a while.

        One that would work on several at once gets them one after another.
        """
        until = time.monotonic() + HEARTBEAT_SECONDS
        while asked.state == "running" and asked.task == container.task:
            left = until - time.monotonic()
            if left <= 0:
                return True
            await self._world.calls.bell.wait(left)
        return False

    async def _next(self, container: Container) -> Call | None:
        """Another input for a container that has done one."""
        until = time.monotonic() + self._world.containers.limits.idle
        while (call := self._world.calls.waiting(container.function)) is None:
            left = until - time.monotonic()
            if left <= 0 or container.draining:
                break
            await self._world.calls.bell.wait(left)
        container.call = call
        if call is not None:
            self._world.containers.adopt(container, call)
        return call

    async def function_put_outputs(
        self, request: pb.FunctionPutOutputsRequest, peer: Peer
    ) -> Empty:
        """What came out of an input; an answer of an attempt that is over counts no more."""
        container = _of(peer)
        for item in request.outputs:
            call = self._world.calls.get(item.input_id)
            # of a cluster the first answers; what the others raise is the call's failure too
            failed = item.result.status != pb.GenericResult.GENERIC_STATUS_SUCCESS
            container.answered = bool(container.rank) and not failed
            counts = not container.rank or (failed and not container.draining)
            if call.task == container.lead.task and call.state == "running" and counts:
                self._world.calls.finish(call, item.result, item.data_format)
        return Empty()

    async def task_result(self, request: pb.TaskResultRequest, peer: Peer) -> Empty:
        """A container could not start: its input fails with what it says."""
        _of(peer).failure = request.result
        return Empty()

    async def container_stop(
        self, request: pb.ContainerStopRequest, _: Peer
    ) -> pb.ContainerStopResponse:
        """End a container."""
        container = self._world.containers.running.get(request.task_id)
        if container is not None:
            self._world.containers.kill(container, "preempted")
        return make(pb.ContainerStopResponse)

    async def volume_commit(
        self, request: pb.VolumeCommitRequest, peer: Peer
    ) -> pb.VolumeCommitResponse:
        """Publish what the container wrote."""
        volume = _of(peer).volumes.get(request.volume_id)
        if volume is None:
            raise not_found(f"{request.volume_id} is not mounted")
        await asyncio.to_thread(volume.commit)
        # otherwise the client reloads, which fails while files are open
        return make(pb.VolumeCommitResponse, skip_reload=True)

    async def volume_reload(self, request: pb.VolumeReloadRequest, peer: Peer) -> Empty:
        """See what others published."""
        container = _of(peer)
        volume = container.volumes.get(request.volume_id)
        if volume is None:
            raise not_found(f"{request.volume_id} is not mounted")
        process = 0 if container.process is None else container.process.pid
        await asyncio.to_thread(volume.reload, process)
        return Empty()


def _of(peer: Peer) -> Container:
    if peer.container is None:
        raise not_found("only a container can ask this")
    return peer.container


def _handed(call: Call) -> pb.FunctionGetInputsResponse:
    """An input, as a container gets it."""
    spawned = pb.FUNCTION_CALL_INVOCATION_TYPE_ASYNC
    waited_for = pb.FUNCTION_CALL_INVOCATION_TYPE_SYNC
    item = make(
        pb.FunctionGetInputsItem,
        input_id=call.input_id,
        input=content_of(call),
        function_call_id=call.batch or call.identity,
        function_map_idx=call.index,
        function_call_invocation_type=spawned if call.spawned else waited_for,
        retry_count=call.retry,
    )
    return make(pb.FunctionGetInputsResponse, inputs=[item])
