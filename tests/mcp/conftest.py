"""A kitchen in a folder of its own, and waiting with a limit."""

import importlib.util
import time
from pathlib import Path

import pytest


def load_kitchen():
    path = Path(__file__).parent / "kitchen.py"
    spec = importlib.util.spec_from_file_location("mcp_kitchen", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def kitchen():
    return load_kitchen()


@pytest.fixture
def room(tmp_path):
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def eventually():
    def eventually(holds, seconds=300.0):
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return found

    return eventually
