"""Answers to clients about containers."""

from __future__ import annotations  # older clients lack some of the messages named here

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import make
from training.compute.loopback.world import Peer, World

__all__ = ["Tasks"]


class Tasks:
    """The RPC that lists containers.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def task_list(self, request: pb.TaskListRequest, _: Peer) -> pb.TaskListResponse:
        """The containers of now, of one app or of all."""
        listed = []
        for container in self._world.containers.running.values():
            app = self._world.apps.app_of(container.function)
            if request.app_id in ("", app.identity):
                listed.append(
                    make(
                        pb.TaskStats,
                        task_id=container.task,
                        app_id=app.identity,
                        app_description=app.name,
                        started_at=container.started,
                    )
                )
        return make(pb.TaskListResponse, tasks=listed)
