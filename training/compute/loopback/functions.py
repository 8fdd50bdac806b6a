"""Answers to clients about apps, functions and calls."""

from __future__ import annotations  # older clients lack some of the messages named here

import time

from modal_proto import api_pb2 as pb

from training.compute.loopback.calls import Call
from training.compute.loopback.messages import Empty, make
from training.compute.loopback.refusal import not_found, precondition
from training.compute.loopback.world import Peer, World

__all__ = ["Functions"]


class Functions:
    """The RPCs that deploy, call and ask.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def app_create(self, request: pb.AppCreateRequest, _: Peer) -> pb.AppCreateResponse:
        """A new app."""
        app = self._world.apps.create(request.description, request.app_state)
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
        self._world.apps.publish(
            request.app_id, request.name, request.app_state, dict(request.function_ids)
        )
        return make(pb.AppPublishResponse, url="loopback", deployed_at=time.time())

    async def app_client_disconnect(self, request: pb.AppClientDisconnectRequest, _: Peer) -> Empty:
        """The client of an app leaves: an ephemeral app ends with it."""
        app = self._world.apps.get(request.app_id)
        if app.state in (pb.APP_STATE_EPHEMERAL, pb.APP_STATE_INITIALIZING):
            await self.end(app.identity)
        return Empty()

    async def app_stop(self, request: pb.AppStopRequest, _: Peer) -> Empty:
        """Stop an app and what runs in it."""
        await self.end(request.app_id)
        return Empty()

    async def end(self, identity: str) -> None:
        """Stop an app and what runs in it."""
        self._world.apps.stop(identity)
        for call in list(self._world.calls.all.values()):
            if self._world.apps.app_of(call.function).identity == identity:
                await self._world.containers.stop(call, "cancelled")

    async def function_precreate(
        self, request: pb.FunctionPrecreateRequest, _: Peer
    ) -> pb.FunctionPrecreateResponse:
        """An id for a function that will be defined."""
        identity = request.existing_function_id
        if not identity:
            first = make(
                pb.Function,
                function_name=request.function_name,
                function_type=request.function_type,
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
        identity = self._world.apps.bind(request.function_id, request.function_options)
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

    async def function_map(self, request: pb.FunctionMapRequest, _: Peer) -> pb.FunctionMapResponse:
        """Call a function with one input."""
        if len(request.pipelined_inputs) != 1:
            raise precondition("the loopback control plane takes one input per call")
        app = self._world.apps.app_of(request.function_id)
        if app.state == pb.APP_STATE_STOPPED:
            raise precondition(f"App {app.identity} is stopped")
        spawned = request.function_call_invocation_type in (
            pb.FUNCTION_CALL_INVOCATION_TYPE_ASYNC,
            pb.FUNCTION_CALL_INVOCATION_TYPE_ASYNC_LEGACY,
        )
        call = self._world.calls.create(
            request.function_id, request.pipelined_inputs[0].input, spawned
        )
        item = make(
            pb.FunctionPutInputsResponseItem, input_id=call.input_id, input_jwt=call.input_id
        )
        return make(
            pb.FunctionMapResponse,
            function_call_id=call.identity,
            pipelined_inputs=[item],
            retry_policy=self._world.apps.definition(call.function).retry_policy,
            function_call_jwt=call.identity,
            sync_client_retries_enabled=True,
        )

    async def function_retry_inputs(
        self, request: pb.FunctionRetryInputsRequest, _: Peer
    ) -> pb.FunctionRetryInputsResponse:
        """A client tries a failed synchronous input again; it keeps its first token."""
        call = self._world.calls.get(request.function_call_jwt)
        self._world.calls.retry(call, request.inputs[0].input)
        return make(pb.FunctionRetryInputsResponse, input_jwts=[call.input_id])

    async def function_get_outputs(
        self, request: pb.FunctionGetOutputsRequest, _: Peer
    ) -> pb.FunctionGetOutputsResponse:
        """The result of a call, waited for as long as the client says."""
        call = self._world.calls.get(request.function_call_id)
        item = await self._world.calls.wait(call, request.timeout)
        return make(
            pb.FunctionGetOutputsResponse,
            outputs=[] if item is None else [item],
            idxs=[] if item is None else [0],
            last_entry_id="0-0",
            num_unfinished_inputs=int(call.state in ("waiting", "running")),
        )

    async def function_call_from_id(
        self, request: pb.FunctionCallFromIdRequest, _: Peer
    ) -> pb.FunctionCallFromIdResponse:
        """A call by id."""
        call = self._world.calls.get(request.function_call_id)
        return make(pb.FunctionCallFromIdResponse, function_call_id=call.identity, num_inputs=1)

    async def function_call_cancel(self, request: pb.FunctionCallCancelRequest, _: Peer) -> Empty:
        """End a call."""
        call = self._world.calls.get(request.function_call_id)
        await self._world.containers.stop(call, "cancelled")
        return Empty()

    async def function_call_fetch(
        self, request: pb.FunctionCallFetchRequest, _: Peer
    ) -> pb.FunctionCallFetchResponse:
        """The newest calls of a function."""
        apps, asked = self._world.apps, request.function_id
        variants = getattr(request, "all_variants", False)  # a word of newer clients
        calls = [
            call
            for call in self._world.calls.all.values()
            if call.function == asked or (variants and apps.base(call.function) == asked)
        ]
        newest = sorted(calls, key=lambda call: -call.created)
        infos = [
            make(
                pb.FunctionCallInputInfo,
                function_call_id=call.identity,
                container_id=call.task or None,
                status=self._status(call),
            )
            for call in newest[: request.tail.count or None]
        ]
        return make(pb.FunctionCallFetchResponse, function_call_inputs=infos)

    def _status(self, call: Call) -> int:
        item = self._world.calls.result(call)
        if item is None:
            return pb.FUNCTION_CALL_INPUT_STATUS_PENDING
        name = pb.GenericResult.GenericStatus.Name(item.result.status)
        name = name.replace("GENERIC_STATUS_", "FUNCTION_CALL_INPUT_STATUS_")
        return int(pb.FunctionCallInputStatus.Value(name))

    async def auth_token_get(self, _: pb.AuthTokenGetRequest, __: Peer) -> pb.AuthTokenGetResponse:
        """A token for the input plane, which does not exist here."""
        return make(pb.AuthTokenGetResponse, token="loopback.e30.none")  # noqa: S106 - no secret


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
