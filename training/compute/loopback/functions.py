"""Answers to clients about apps and functions."""

from __future__ import annotations  # older clients lack some of the messages named here

import time

from modal_proto import api_pb2 as pb

from training.compute.loopback.messages import Empty, make
from training.compute.loopback.refusal import not_found, precondition
from training.compute.loopback.world import Peer, World

__all__ = ["Functions", "end"]


class Functions:
    """The RPCs that deploy and look up.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def app_create(self, request: pb.AppCreateRequest, _: Peer) -> pb.AppCreateResponse:
        """A new app."""
        app = self._world.apps.create(request.description, request.app_state, request.tags)
        return make(pb.AppCreateResponse, app_id=app.identity, app_page_url="loopback")

    async def app_get_by_deployment_name(
        self, request: pb.AppGetByDeploymentNameRequest, _: Peer
    ) -> pb.AppGetByDeploymentNameResponse:
        """The deployed app of a name; empty where there is none."""
        app = self._world.apps.deployed(request.name)
        identity = "" if app is None else app.identity
        return make(pb.AppGetByDeploymentNameResponse, app_id=identity, environment_name="main")

    async def app_get_layout(
        self, request: pb.AppGetLayoutRequest, _: Peer
    ) -> pb.AppGetLayoutResponse:
        """The objects of an app."""
        app = self._world.apps.get(request.app_id)
        return make(pb.AppGetLayoutResponse, app_layout=self._world.apps.layout(app))

    async def app_heartbeat(self, request: pb.AppHeartbeatRequest, _: Peer) -> Empty:
        """The client of an app lives."""
        self._world.apps.beat(request.app_id)
        return Empty()

    async def app_publish(self, request: pb.AppPublishRequest, _: Peer) -> pb.AppPublishResponse:
        """Make the functions that were defined the app's."""
        functions, classes = dict(request.function_ids), dict(request.class_ids)
        self._world.apps.publish(
            request.app_id, request.name, request.app_state, functions, classes
        )
        if request.tags:
            self._world.apps.tag(request.app_id, request.tags)
        return make(pb.AppPublishResponse, url="loopback", deployed_at=time.time())

    async def app_client_disconnect(self, request: pb.AppClientDisconnectRequest, _: Peer) -> Empty:
        """The client of an app leaves: an ephemeral app ends with it."""
        app = self._world.apps.get(request.app_id)
        if app.state in (pb.APP_STATE_EPHEMERAL, pb.APP_STATE_INITIALIZING):
            await end(self._world, app.identity)
        return Empty()

    async def app_stop(self, request: pb.AppStopRequest, _: Peer) -> Empty:
        """Stop an app and what runs in it."""
        await end(self._world, request.app_id)
        return Empty()

    async def function_precreate(
        self, request: pb.FunctionPrecreateRequest, _: Peer
    ) -> pb.FunctionPrecreateResponse:
        """An id for a function that will be defined."""
        _refuse_web(request.function_name, request)
        identity = request.existing_function_id
        if not identity:
            first = make(
                pb.Function,
                function_name=request.function_name,
                function_type=request.function_type,
                method_definitions=dict(request.method_definitions),
                supported_input_formats=list(request.supported_input_formats),
                supported_output_formats=list(request.supported_output_formats),
            )
            identity = self._world.apps.define(request.app_id, first, "")
        metadata = self._world.apps.metadata(identity)
        return make(pb.FunctionPrecreateResponse, function_id=identity, handle_metadata=metadata)

    async def function_create(
        self, request: pb.FunctionCreateRequest, _: Peer
    ) -> pb.FunctionCreateResponse:
        """Define a function."""
        # a list of GPUs comes as one definition for each, the most wanted one first
        ranked = sorted(request.function_data.ranked_functions, key=_rank)
        definition, *others = [each.function for each in ranked] or [request.function]
        _refuse_web(definition.function_name, definition)
        self._world.buckets.check(definition)
        identity = self._world.apps.define(
            request.app_id, definition, request.existing_function_id, others
        )
        metadata = self._world.apps.metadata(identity)
        return make(
            pb.FunctionCreateResponse,
            function_id=identity,
            function=definition,
            handle_metadata=metadata,
            function_data=_data(definition),
        )

    async def function_bind_params(
        self, request: pb.FunctionBindParamsRequest, _: Peer
    ) -> pb.FunctionBindParamsResponse:
        """A variant of a function with other hardware, time, secrets or volumes."""
        identity = self._world.apps.bind(
            request.function_id, request.function_options, request.serialized_params
        )
        self._world.buckets.check(self._world.apps.definition(identity))
        metadata = self._world.apps.metadata(identity)
        return make(
            pb.FunctionBindParamsResponse, bound_function_id=identity, handle_metadata=metadata
        )

    async def function_get(self, request: pb.FunctionGetRequest, _: Peer) -> pb.FunctionGetResponse:
        """A function of a deployed app."""
        app = self._world.apps.deployed(request.app_name)
        identity = None if app is None else app.functions.get(request.object_tag)
        if identity is None:
            raise not_found(f"no deployed function {request.app_name}/{request.object_tag}")
        metadata = self._world.apps.metadata(identity)
        return make(
            pb.FunctionGetResponse,
            function_id=identity,
            handle_metadata=metadata,
            function=_data(self._world.apps.definition(identity)),
        )

    async def auth_token_get(self, _: pb.AuthTokenGetRequest, __: Peer) -> pb.AuthTokenGetResponse:
        """A token for the input plane, which does not exist here."""
        return make(pb.AuthTokenGetResponse, token="loopback.e30.none")  # noqa: S106 - no secret


async def end(world: World, identity: str) -> None:
    """Stop an app and what runs in it."""
    world.apps.stop(identity)
    for call in list(world.calls.all.values()):
        if world.apps.app_of(call.function).identity == identity:
            await world.containers.stop(call, "cancelled")


def _refuse_web(name: str, definition: pb.Function | pb.FunctionPrecreateRequest) -> None:
    """Say that nobody can be served here, before an app is up that seems to.

    Raises:
        GRPCError: It is an endpoint, or has one among its methods.
    """
    asked = [definition, *definition.method_definitions.values()]
    web = any(each.webhook_config.type != pb.WEBHOOK_TYPE_UNSPECIFIED for each in asked)
    if web or getattr(definition, "is_server", False):
        raise precondition(
            f"the loopback control plane serves no web endpoints, and {name} is one: rehearse the "
            "function behind it with .remote(), or leave it out"
        )


def _rank(ranked: pb.FunctionData.RankedFunction) -> int:
    return ranked.rank


def _data(definition: pb.Function) -> pb.FunctionData:
    """A definition in the form in which newer clients read it back."""
    ranked = make(pb.FunctionData.RankedFunction, rank=0, function=definition)
    return make(
        pb.FunctionData,
        module_name=definition.module_name,
        function_name=definition.function_name,
        timeout_secs=definition.timeout_secs,
        ranked_functions=[ranked],
    )
