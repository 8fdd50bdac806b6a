"""Messages that fit every supported version of the client.

Fields come and go between versions; a field this version does not know is left out, because the
client of this version does not look at it either.
"""

import uuid
from typing import Any, TypeVar

from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

__all__ = ["Empty", "make", "new_id", "parse"]

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
