"""Answers about queues, and the heartbeats of things without a name."""

from __future__ import annotations  # older clients lack some of the messages named here

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import Empty, create_as, make
from training.compute.loopback.world import Peer, World

__all__ = ["QueueAnswers"]


class QueueAnswers:
    """The RPCs of queues.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def queue_get_or_create(
        self, request: pb.QueueGetOrCreateRequest, _: Peer
    ) -> pb.QueueGetOrCreateResponse:
        """A queue by name, or one without."""
        name, create = create_as(request.deployment_name, request.object_creation_type)
        identity = self._world.queues.open(name, create)
        metadata = make(pb.QueueMetadata, name=request.deployment_name)
        return make(pb.QueueGetOrCreateResponse, queue_id=identity, metadata=metadata)

    async def queue_put(self, request: pb.QueuePutRequest, _: Peer) -> Empty:
        """Add values at the end."""
        self._world.queues.put(request.queue_id, request.partition_key, list(request.values))
        return Empty()

    async def queue_get(self, request: pb.QueueGetRequest, _: Peer) -> pb.QueueGetResponse:
        """Remove the oldest values, waited for as long as the client says."""
        values = await self._world.queues.take(
            request.queue_id, request.partition_key, request.n_values or 1, request.timeout
        )
        return make(pb.QueueGetResponse, values=values)

    async def queue_len(self, request: pb.QueueLenRequest, _: Peer) -> pb.QueueLenResponse:
        """How many values wait."""
        partition = None if request.total else request.partition_key
        return make(pb.QueueLenResponse, len=self._world.queues.length(request.queue_id, partition))

    async def queue_clear(self, request: pb.QueueClearRequest, _: Peer) -> Empty:
        """Empty it."""
        partition = None if request.all_partitions else request.partition_key
        self._world.queues.clear(request.queue_id, partition)
        return Empty()

    async def queue_next_items(
        self, request: pb.QueueNextItemsRequest, _: Peer
    ) -> pb.QueueNextItemsResponse:
        """Values that stay where they are."""
        found = await self._world.queues.after(
            *(request.queue_id, request.partition_key),
            *(request.last_entry_id, request.item_poll_timeout),
        )
        items = [make(pb.QueueItem, value=value, entry_id=entry) for entry, value in found]
        return make(pb.QueueNextItemsResponse, items=items)

    async def queue_delete(self, request: pb.QueueDeleteRequest, _: Peer) -> Empty:
        """Forget it."""
        self._world.queues.delete(request.queue_id)
        return Empty()

    async def queue_heartbeat(self, _: pb.QueueHeartbeatRequest, __: Peer) -> Empty:
        """The client of a queue without a name lives."""
        return Empty()

    async def dict_heartbeat(self, _: pb.DictHeartbeatRequest, __: Peer) -> Empty:
        """The client of a dict without a name lives."""
        return Empty()

    async def volume_heartbeat(self, _: pb.VolumeHeartbeatRequest, __: Peer) -> Empty:
        """The client of a volume without a name lives."""
        return Empty()
