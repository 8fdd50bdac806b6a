"""Answers about classes, and about apps and functions by what is rarely asked of them."""

from __future__ import annotations  # older clients lack some of the messages named here

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import Empty, make, new_id
from training.compute.loopback.refusal import not_found
from training.compute.loopback.world import Peer, World

__all__ = ["ClassAnswers"]


class ClassAnswers:
    """The RPCs of classes: what a class does is done by the one function behind it.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def class_create(self, request: pb.ClassCreateRequest, _: Peer) -> pb.ClassCreateResponse:
        """An id for a class; its methods are in the metadata of its function."""
        identity = request.existing_class_id or new_id("cs")
        metadata = make(pb.ClassHandleMetadata)
        return make(pb.ClassCreateResponse, class_id=identity, handle_metadata=metadata)

    async def class_get(self, request: pb.ClassGetRequest, _: Peer) -> pb.ClassGetResponse:
        """A class of a deployed app."""
        app = self._world.apps.deployed(request.app_name)
        identity = None if app is None else app.classes.get(request.object_tag)
        if identity is None:
            raise not_found(f"no deployed class {request.app_name}/{request.object_tag}")
        metadata = make(pb.ClassHandleMetadata)
        return make(pb.ClassGetResponse, class_id=identity, handle_metadata=metadata)

    async def app_get_or_create(
        self, request: pb.AppGetOrCreateRequest, _: Peer
    ) -> pb.AppGetOrCreateResponse:
        """A deployed app by name."""
        app = self._world.apps.deployed(request.app_name)
        if app is None:
            if request.object_creation_type == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
                raise not_found(f"App {request.app_name!r} does not exist")
            app = self._world.apps.create(request.app_name, pb.APP_STATE_DEPLOYED, {})
        return make(pb.AppGetOrCreateResponse, app_id=app.identity)

    async def function_get_current_stats(
        self, request: pb.FunctionGetCurrentStatsRequest, _: Peer
    ) -> pb.FunctionStats:
        """How many inputs wait, and how many containers there are."""
        calls = [c for c in self._world.calls.all.values() if c.function == request.function_id]
        containers = self._world.containers.running.values()
        return make(
            pb.FunctionStats,
            backlog=sum(call.state == "waiting" for call in calls),
            num_total_tasks=sum(each.function == request.function_id for each in containers),
            num_running_inputs=sum(call.state == "running" for call in calls),
        )

    async def function_update_scheduling_params(
        self, _: pb.FunctionUpdateSchedulingParamsRequest, __: Peer
    ) -> pb.FunctionUpdateSchedulingParamsResponse:
        """How containers are to be scaled; taken, and without effect."""
        return make(pb.FunctionUpdateSchedulingParamsResponse)

    async def function_finish_inputs(self, _: pb.FunctionFinishInputsRequest, __: Peer) -> Empty:
        """A client has sent all inputs of a call."""
        return Empty()
