"""Calls of functions: one input each, from its creation to its result.

Who starts a failed one again: the client for ``.remote()``, the control plane for ``.spawn()``. A
container that is lost, preempted or killed is no failure of the input: it starts again, uncounted
and for ever.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from modal_proto import api_pb2

from training.compute.loopback.apps import Apps
from training.compute.loopback.bell import Bell
from training.compute.loopback.messages import make, new_id
from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Call", "Calls"]

_Result = api_pb2.GenericResult


@dataclass
class Call:
    """A call and how far it is.

    Attributes:
        spawned: It outlives its caller.
        retry: How many failures were started again.
        result: A serialized ``GenericResult`` in base 64; empty before the end.
        task: The container it runs in, or ran in last.
        stopping: Why it is being ended from outside.
        starts: How often a container took it.
        batch: The call it is one input of, where that has several; `index`, which one.
        ended: The how manieth end of all this was; 0 before it.
    """

    identity: str
    input_id: str
    function: str
    spawned: bool
    content: str
    created: float
    state: Literal["waiting", "running", "done", "expired"] = "waiting"
    retry: int = 0
    result: str = ""
    data_format: int = 0
    task: str = ""
    stopping: Literal["", "cancelled", "timeout"] = ""
    starts: int = 0
    polled: float = 0.0
    batch: str = ""
    index: int = 0
    ended: int = 0


class Calls:
    """Every call, durable.

    Args:
        store: Where they are kept.
        apps: The functions that are called.
        schedule: Told about a call that waits for a container.
        retry_scale: Factor on the delays between retries, so that a rehearsal need not wait.
    """

    def __init__(
        self, store: Store, apps: Apps, schedule: Callable[[Call], None], retry_scale: float
    ) -> None:
        self._store = store
        self._apps = apps
        self._schedule = schedule
        self._pollers: dict[str, int] = {}
        self._later: set[asyncio.TimerHandle] = set()
        self.retry_scale = retry_scale
        self.bell = Bell()
        self.all = {name: Call(**value) for name, value in store.items("call")}
        self._ends = max((call.ended for call in self.all.values()), default=0)

    def resume(self) -> None:
        """After a restart: what was spawned starts again, what was waited for is gone."""
        for call in self.all.values():
            if call.state in ("waiting", "running") and call.spawned and not call.stopping:
                self._wait(call)
            elif call.state in ("waiting", "running"):
                self._end(call, make(_Result, status=_Result.GENERIC_STATUS_TERMINATED), 0)

    def open_batch(self, function: str, spawned: bool) -> str:
        """The id of a call that will get several inputs."""
        identity = new_id("fc")
        self._store.put("batch", identity, {"function": function, "spawned": spawned})
        return identity

    def add(self, batch: str, index: int, content: api_pb2.FunctionInput) -> Call:
        """Another input of a call that has several.

        Raises:
            GRPCError: There is no such call.
        """
        known = self._store.get("batch", batch)
        if known is None:
            raise not_found(f"Function call {batch} does not exist")
        return self.create(known["function"], content, known["spawned"], batch, index)

    def members(self, identity: str) -> list[Call]:
        """The inputs of a call, in their order; itself where it has one.

        Raises:
            GRPCError: There is no such call.
        """
        if self._store.get("batch", identity) is None:
            return [self.get(identity)]
        found = [call for call in self.all.values() if call.batch == identity]
        return sorted(found, key=lambda call: call.index)

    def create(
        self,
        function: str,
        content: api_pb2.FunctionInput,
        spawned: bool,
        batch: str = "",
        index: int = 0,
    ) -> Call:
        """A new call, or input of one, which starts as soon as there is a container."""
        call = Call(
            batch=batch,
            index=index,
            identity=new_id("fc"),
            input_id=new_id("in"),
            function=function,
            spawned=spawned,
            content=base64.b64encode(content.SerializeToString()).decode(),
            created=time.time(),
            polled=time.monotonic(),
        )
        self.all[call.identity] = call
        self._wait(call)
        return call

    def get(self, identity: str) -> Call:
        """A call by its id or the id of its input.

        Raises:
            GRPCError: There is none.
        """
        if identity in self.all:
            return self.all[identity]
        for call in self.all.values():
            if call.input_id == identity:
                return call
        raise not_found(f"Function call {identity} does not exist")

    def waiting(self, function: str) -> Call | None:
        """The oldest call of a function that waits for a container."""
        found = [c for c in self.all.values() if c.function == function and c.state == "waiting"]
        return min(found, key=lambda call: call.created, default=None)

    def take(self, call: Call, task: str) -> None:
        """A container has it now."""
        call.state, call.task, call.starts = "running", task, call.starts + 1
        self._save(call)

    def finish(self, call: Call, result: api_pb2.GenericResult, data_format: int) -> None:
        """A container answered; a failure of a spawned call is tried again by its policy."""
        if call.state in ("done", "expired"):
            return
        if call.stopping == "cancelled":
            result = make(_Result, status=_Result.GENERIC_STATUS_TERMINATED)
        elif call.stopping == "timeout":
            seconds = self._apps.definition(call.function).timeout_secs
            text = f"Task's current input in {call.task} hit its timeout of {seconds}s"
            result = make(_Result, status=_Result.GENERIC_STATUS_TIMEOUT, exception=text)
        call.stopping = ""
        tried_again = (_Result.GENERIC_STATUS_FAILURE, _Result.GENERIC_STATUS_TIMEOUT)
        policy = self._apps.definition(call.function).retry_policy
        if call.spawned and result.status in tried_again and call.retry < policy.retries:
            delay = policy.initial_delay_ms * policy.backoff_coefficient**call.retry
            call.retry += 1
            self._wait(call, min(delay, policy.max_delay_ms or delay) / 1000 * self.retry_scale)
        else:
            self._end(call, result, data_format)

    def lost(self, call: Call) -> None:
        """The container ended without an answer: the same input again, not counted."""
        if call.state != "running":
            return
        if call.stopping:
            self.finish(call, make(_Result), 0)
        else:
            self._wait(call, 0.2)

    def retry(self, call: Call, content: api_pb2.FunctionInput) -> None:
        """The client starts a failed synchronous call again, under the id it had."""
        call.content = base64.b64encode(content.SerializeToString()).decode()
        call.result, call.retry = "", call.retry + 1
        self._wait(call)

    def stop(self, call: Call, why: Literal["cancelled", "timeout"]) -> bool:
        """Begin to end a call from outside; whether a container has to be told."""
        if call.state == "waiting":
            call.stopping = why
            self.finish(call, make(_Result), 0)
            return False
        if call.state == "running" and not call.stopping:
            call.stopping = why
            self._save(call)
            return True
        return False

    def expire(self, call: Call) -> None:
        """Forget the result, as after seven days."""
        call.state, call.result = "expired", ""
        self._save(call)

    def result(self, call: Call) -> api_pb2.FunctionGetOutputsItem | None:
        """The result, once there is one."""
        if call.state != "done":
            return None
        return make(
            api_pb2.FunctionGetOutputsItem,
            result=_Result.FromString(base64.b64decode(call.result)),
            idx=call.index,
            input_id=call.input_id,
            data_format=call.data_format,
            task_id=call.task,
            retry_count=call.retry,
        )

    async def wait(
        self, identity: str, seconds: float, after: int = 0, last: int | None = None, first: int = 0
    ) -> list[Call]:
        """The inputs of a call that ended, waited for at most so long; empty when none did.

        Args:
            identity: The call.
            seconds: How long.
            after: Only what ended after that many ends.
            last: Only inputs up to that one; None: all.
            first: Only inputs from that one on.

        Raises:
            GRPCError: There is no such call.
        """
        until = time.monotonic() + seconds
        polled: set[str] = set()
        try:
            while True:
                members = self.members(identity)
                for name in {each.identity for each in members} - polled:
                    self._pollers[name] = self._pollers.get(name, 0) + 1
                    polled.add(name)
                asked = [
                    c for c in members if first <= c.index and (last is None or c.index <= last)
                ]
                found = [c for c in asked if self.result(c) is not None and c.ended > after]
                left = until - time.monotonic()
                if found or left <= 0 or any(call.state == "expired" for call in asked):
                    return found
                await self.bell.wait(min(left, 5.0))
        finally:
            for name in polled:
                self._pollers[name] -= 1
                self.all[name].polled = time.monotonic()

    def abandoned(self, seconds: float) -> list[Call]:
        """Synchronous calls nobody has been waiting for, for so long."""
        before = time.monotonic() - seconds
        return [
            call
            for call in self.all.values()
            if not call.spawned
            and call.state in ("waiting", "running")
            and not self._pollers.get(call.identity)
            and call.polled < before
        ]

    def close(self) -> None:
        """Start nothing more."""
        for handle in self._later:
            handle.cancel()

    def _wait(self, call: Call, seconds: float = 0.0) -> None:
        call.state, call.task = "waiting", ""
        self._save(call)
        handle = asyncio.get_running_loop().call_later(seconds, self._schedule, call)
        self._later = {each for each in self._later if not each.cancelled()} | {handle}

    def _end(self, call: Call, result: api_pb2.GenericResult, data_format: int) -> None:
        call.result = base64.b64encode(result.SerializeToString()).decode()
        call.state, call.data_format, call.stopping = "done", data_format, ""
        self._ends += 1
        call.ended = self._ends
        self._save(call)

    def _save(self, call: Call) -> None:
        self._store.put("call", call.identity, asdict(replace(call, polled=0.0)))
        self.bell.ring()
