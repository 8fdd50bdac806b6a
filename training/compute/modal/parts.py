"""A part of a file of a volume, by its offset; what the client offers itself are whole files.

The request has the fields `start` and `len`, and the client reads an answer as the bytes from
`start` on (``_expected_block_lengths`` of 1.6.4), but no method of it sets them. So this is one of
the places that know an inside of the client; its test tells when that moves. A server that takes
no notice of them and gives the whole file is understood too.
"""

from typing import Any

import aiohttp
import modal
from modal._utils.async_utils import synchronize_api
from modal._utils.http_utils import ClientSessionRegistry
from modal_proto import api_pb2

__all__ = ["read_part"]


async def _part(volume: Any, path: str, start: int, length: int) -> bytes:
    request = api_pb2.VolumeGetFile2Request(
        volume_id=volume.object_id, path=path, start=start, len=length
    )
    answer = await volume.client._stub.VolumeGetFile2(request)
    session: aiohttp.ClientSession = ClientSessionRegistry.get_session()  # type: ignore[no-untyped-call]
    content = bytearray()
    try:
        for address in answer.get_urls:
            async with session.get(address) as block:
                block.raise_for_status()
                content += await block.read()
    except aiohttp.ClientError as error:
        raise modal.exception.ConnectionError(f"{path}: {error}") from None
    skipped = start - answer.start
    return bytes(content[skipped : skipped + length])


_blocking = synchronize_api(_part)  # type: ignore[no-untyped-call]


def read_part(volume: modal.Volume, path: str, start: int, length: int) -> bytes:
    """At most `length` bytes of a file from `start` on, in two requests.

    Raises:
        modal.exception.NotFoundError: There is no such file.
        modal.exception.ConnectionError: Its bytes did not come.
    """
    volume.hydrate()
    content: bytes = _blocking(volume, path, start, length)
    return content
