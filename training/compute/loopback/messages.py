"""Messages that fit every supported version of the client.

Fields come and go between versions; a field this version does not know is left out, because the
client of this version does not look at it either.
"""

import uuid
from typing import Any, TypeVar

from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]
from modal_proto import api_pb2

__all__ = ["Empty", "create_as", "make", "new_id", "parse"]

M = TypeVar("M", bound=Message)


def make(kind: type[M], **fields: Any) -> M:
    """A message of `kind` with those of `fields` that it knows and that are not None."""
    known = kind.DESCRIPTOR.fields_by_name
    given = {name: value for name, value in fields.items() if value is not None}
    message: M = kind(**{name: value for name, value in given.items() if name in known})
    return message


def parse(kind: type[M], content: bytes) -> M:
    """The message that was serialized."""
    message: M = kind.FromString(content)
    return message


def new_id(prefix: str) -> str:
    """An object id such as ``fc-3f…``; the client tells types apart by the prefix."""
    return f"{prefix}-{uuid.uuid4().hex[:22]}"


def create_as(name: str, asked: int) -> tuple[str, bool]:
    """The name that a thing is opened by, and whether it is made where it is missing.

    One that lives as long as its client has no name; it gets one that nobody asks for.
    """
    if asked == api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL:
        return new_id("ephemeral"), True
    return name, asked in _CREATE


_CREATE = (
    api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
    api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
)
