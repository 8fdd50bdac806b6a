"""What a test sees of a training: its files on the volume, its calls, its log."""

import json
from typing import Any

from conftest import Client, until

from training.runner.ending import Ending

LONG = {"steps": 60, "save_every": 5}
"""A training long enough to be disturbed."""


def result(client: Client, key: str) -> Ending:
    found = client.directory(key).read_ending()
    assert found is not None
    return found


def checkpoints(client: Client, key: str) -> list[str]:
    found = client.volume.listdir(client.directory(key).checkpoints_name)
    return [name for name in found if name.startswith("step-")]


def kill(client: Client, key: str, fate: str, after: int = 1) -> None:
    """Let something happen to a training's container when so many checkpoints are committed."""
    call = client.compute.status(key).owner
    until(lambda: len(checkpoints(client, key)) >= after)
    client.plane.do("kill", fate=fate, call=call)


def newest_call(client: Client) -> dict[str, Any]:
    return client.calls()[-1]


def log(client: Client, key: str) -> str:
    return client.volume.read_bytes(client.directory(key).log_name).decode()


def starts(client: Client, key: str) -> int:
    """How often the container counted its own starts."""
    path = f"trainings/{key}/starts.json"
    return json.loads(client.volume.read_bytes(path))["count"] if client.volume.exists(path) else 0
