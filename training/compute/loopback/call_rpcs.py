"""Answers to clients about calls: made, waited for, tried again, cancelled."""

from __future__ import annotations  # older clients lack some of the messages named here

import base64
import json
from typing import Any

from modal_proto import api_pb2 as pb

from training.compute.loopback.calls import Call
from training.compute.loopback.messages import Empty, make
from training.compute.loopback.refusal import denied, precondition
from training.compute.loopback.world import Peer, World

__all__ = ["CallAnswers"]


class CallAnswers:
    """The RPCs of calls, of one input or of many.

    Args:
        world: The state.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def function_map(self, request: pb.FunctionMapRequest, _: Peer) -> pb.FunctionMapResponse:
        """Call a function with one input, or begin a call that gets several."""
        app = self._world.apps.app_of(request.function_id)
        if app.state == pb.APP_STATE_STOPPED:
            raise precondition(f"App {app.identity} is stopped")
        spawned = request.function_call_invocation_type in (
            pb.FUNCTION_CALL_INVOCATION_TYPE_ASYNC,
            pb.FUNCTION_CALL_INVOCATION_TYPE_ASYNC_LEGACY,
        )
        calls, function = self._world.calls, request.function_id
        items = []
        if request.function_call_type == pb.FUNCTION_CALL_TYPE_MAP:
            identity = calls.open_batch(function, spawned)
            items = [self._added(identity, each) for each in request.pipelined_inputs]
        elif len(request.pipelined_inputs) != 1:
            raise precondition("a call that is not a map has one input")
        else:
            call = calls.create(function, request.pipelined_inputs[0].input, spawned)
            identity, items = call.identity, [_item(call)]
        return make(
            pb.FunctionMapResponse,
            function_call_id=identity,
            pipelined_inputs=items,
            retry_policy=self._world.apps.definition(function).retry_policy,
            function_call_jwt=identity,
            sync_client_retries_enabled=True,
        )

    async def function_put_inputs(
        self, request: pb.FunctionPutInputsRequest, _: Peer
    ) -> pb.FunctionPutInputsResponse:
        """More inputs of a call."""
        items = [self._added(request.function_call_id, each) for each in request.inputs]
        return make(pb.FunctionPutInputsResponse, inputs=items)

    def _added(
        self, identity: str, given: pb.FunctionPutInputsItem
    ) -> pb.FunctionPutInputsResponseItem:
        return _item(self._world.calls.add(identity, given.idx, given.input))

    async def function_retry_inputs(
        self, request: pb.FunctionRetryInputsRequest, _: Peer
    ) -> pb.FunctionRetryInputsResponse:
        """A client tries failed synchronous inputs again; each keeps its first token."""
        for each in request.inputs:
            self._world.calls.retry(self._world.calls.get(_input_of(each.input_jwt)), each.input)
        tokens = [each.input_jwt for each in request.inputs]
        return make(pb.FunctionRetryInputsResponse, input_jwts=tokens)

    async def function_get_outputs(
        self, request: pb.FunctionGetOutputsRequest, _: Peer
    ) -> pb.FunctionGetOutputsResponse:
        """Results of a call, waited for as long as the client says."""
        calls, identity = self._world.calls, request.function_call_id
        after = int(request.last_entry_id.partition("-")[0] or "0")
        last = request.end_idx if request.HasField("end_idx") else None
        found = await calls.wait(identity, request.timeout, after, last, request.start_idx)
        states = [call.state for call in calls.members(identity)]
        return make(
            pb.FunctionGetOutputsResponse,
            outputs=[calls.result(call) for call in found],
            idxs=[call.index for call in found],
            last_entry_id=f"{max([after, *(call.ended for call in found)])}-0",
            num_unfinished_inputs=sum(each in ("waiting", "running") for each in states),
        )

    async def function_call_from_id(
        self, request: pb.FunctionCallFromIdRequest, _: Peer
    ) -> pb.FunctionCallFromIdResponse:
        """A call by id."""
        members = self._world.calls.members(request.function_call_id)
        return make(
            pb.FunctionCallFromIdResponse,
            function_call_id=request.function_call_id,
            num_inputs=len(members),
        )

    async def function_call_cancel(
        self, request: pb.FunctionCallCancelRequest, peer: Peer
    ) -> Empty:
        """End a call."""
        own = None if peer.container is None else peer.container.call
        for call in self._world.calls.members(request.function_call_id):
            if call is own and not self._world.containers.limits.own_cancel:
                raise denied("a container may not cancel the call that it has")
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


def _item(call: Call) -> pb.FunctionPutInputsResponseItem:
    return make(
        pb.FunctionPutInputsResponseItem,
        idx=call.index,
        input_id=call.input_id,
        input_jwt=f"{_part({'alg': 'none'})}.{_part({'idx': call.index, 'input': call.input_id})}.",
    )


def _part(content: dict[str, Any]) -> str:
    """A part of a token; newer clients look into the one of an input of many."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _input_of(token: str) -> str:
    content = base64.urlsafe_b64decode(token.split(".")[1] + "==")
    return str(json.loads(content)["input"])
