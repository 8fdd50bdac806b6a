"""The containers of an app, as the platform lists them: ``modal container list``, in one request.

Its command line has no other way either: `Client._stub` is private, and used here and in
`training.compute.modal.auth`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import grpclib
import grpclib.exceptions
import modal.exception
from modal.client import _Client
from modal.config import config
from modal_proto import api_pb2

from training.compute.modal.auth import credentials
from training.compute.modal.refusals import without_secrets

__all__ = ["last_words", "tasks_of"]

T = TypeVar("T")

ANSWER_SECONDS = 10.0
LOG_SECONDS = 1.0
MOST_LINES, MOST_LETTERS = 5, 200
"""What is quoted of a container that died."""


def tasks_of(app: str, environment: str | None) -> dict[str, float] | None:
    """Id → when it began, in seconds since 1970, of an app's containers; 0 while it waits for room.

    Args:
        app: Its name.
        environment: The workspace's environment; the default one when None.

    Returns:
        None where that is not known now.

    Raises:
        AuthenticationError: There is no token.
    """
    return _answered(partial(_listed, app), environment)


def last_words(app: str, environment: str | None, task: str) -> tuple[str, ...]:
    """The last lines that a container printed, without secrets; none where nobody can tell.

    Args:
        app: Its app.
        environment: The workspace's environment; the default one when None.
        task: The container; empty where none is known.
    """
    if not task:
        return ()
    text = _answered(partial(_printed, app, task), environment) or ""
    lines = [line.rstrip() for line in without_secrets(text).splitlines() if line.strip()]
    return tuple(line[:MOST_LETTERS] for line in lines[-MOST_LINES:])


def _answered(
    ask: Callable[[_Client, str], Coroutine[Any, Any, T]], environment: str | None
) -> T | None:
    """What the platform answers to one question about an environment; None where it does not."""

    async def answer() -> T:
        where = environment or config.get("environment") or ""
        kind, server = api_pb2.CLIENT_TYPE_CLIENT, str(config.get("server_url"))
        async with _Client(server, kind, credentials()) as client:
            return await ask(client, where)

    try:
        return asyncio.run(asyncio.wait_for(answer(), ANSWER_SECONDS))
    except (
        modal.exception.Error,
        grpclib.GRPCError,
        grpclib.exceptions.StreamTerminatedError,
        TimeoutError,
        OSError,
    ):
        return None


async def _printed(app: str, task: str, client: _Client, where: str) -> str:
    named = api_pb2.AppGetByDeploymentNameRequest(name=app, environment_name=where)
    found = await client._stub.AppGetByDeploymentName(named)
    asked = api_pb2.AppGetLogsRequest(app_id=found.app_id, task_id=task, timeout=LOG_SECONDS)
    text = ""
    async for batch in client._stub.AppGetLogs.unary_stream(asked):
        text += "".join(item.data for item in batch.items)
        if batch.app_done:
            break
    return text


async def _listed(app: str, client: _Client, where: str) -> dict[str, float]:
    listed = await client._stub.TaskList(api_pb2.TaskListRequest(environment_name=where))
    return {each.task_id: each.started_at for each in listed.tasks if each.app_description == app}
