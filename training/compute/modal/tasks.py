"""The containers of an app, as the platform lists them: ``modal container list``, in one request.

Its command line has no other way either: `Client._stub` is private, and used here and in
`training.compute.modal.auth`.
"""

import asyncio

import grpclib
import grpclib.exceptions
import modal.exception
from modal.client import _Client
from modal.config import config
from modal_proto import api_pb2

from training.compute.modal.auth import credentials

__all__ = ["tasks_of"]

ANSWER_SECONDS = 10.0


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
    try:
        return asyncio.run(asyncio.wait_for(_listed(app, environment), ANSWER_SECONDS))
    except (
        modal.exception.Error,
        grpclib.GRPCError,
        grpclib.exceptions.StreamTerminatedError,
        TimeoutError,
        OSError,
    ):
        return None


async def _listed(app: str, environment: str | None) -> dict[str, float]:
    where = environment or config.get("environment") or ""
    kind, server = api_pb2.CLIENT_TYPE_CLIENT, str(config.get("server_url"))
    async with _Client(server, kind, credentials()) as client:
        asked = api_pb2.TaskListRequest(environment_name=where)
        listed = await client._stub.TaskList(asked)
        return {
            each.task_id: each.started_at for each in listed.tasks if each.app_description == app
        }
