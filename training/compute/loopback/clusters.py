"""Clusters: containers that start together, know each other, and end together.

The client asks the name service for a container's address. There is none here, so a module that
Python imports at its start answers in a container of a cluster.
"""

import sys
from pathlib import Path

from modal_proto import api_pb2

__all__ = ["address_environment", "address_modules", "address_of", "cluster_size"]

_VARIABLE = "GOAP_CLUSTER_ADDRESS"
_AT_START = """import os, socket
_asked = socket.getaddrinfo
def getaddrinfo(host, *words, **named):
    if host == "i6pn.modal.local":
        address = os.environ["GOAP_CLUSTER_ADDRESS"]
        return [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, 0, 0, 0))]
    return _asked(host, *words, **named)
socket.getaddrinfo = getaddrinfo
"""


def cluster_size(definition: api_pb2.Function) -> int:
    """How many containers one call of a function has."""
    return max(1, getattr(definition, "_experimental_group_size", 0))


def address_of(rank: int) -> str:
    """Where a container of a cluster is reached by the others."""
    # only Linux answers on all of 127.0.0.0/8 without being told to
    return f"127.0.0.{rank + 1}" if sys.platform == "linux" else "127.0.0.1"


def address_environment(rank: int) -> dict[str, str]:
    """What the client expects in the environment of a container of a cluster."""
    return {_VARIABLE: address_of(rank), "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_AWS"}


def address_modules(root: Path) -> str:
    """A directory with the module that answers for the name service."""
    directory = root / "names"
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(_AT_START, encoding="utf-8")
    return str(directory)
