"""The Modal side with the real client: every answer about authentication, and what is built.

A server here is a real gRPC server on 127.0.0.1 that knows the two questions the check asks. The
client reads its settings from the environment when it is imported, so each check is a process.
"""

import asyncio
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpclib
import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib.const import Cardinality, Handler, Status
from grpclib.server import Server, Stream
from modal_proto import api_pb2

from training.compute.image import REQUIREMENTS
from training.compute.modal import auth as modal_auth
from training.own import own_recipe

ROOT = Path(__file__).parents[2]
TOKEN = {"MODAL_TOKEN_ID": "ak-test", "MODAL_TOKEN_SECRET": "as-test"}
CHECK = """
import json
from training.errors import TrainingError
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
import training.compute.modal.auth as auth
compute = ModalCompute(ModalVolume("goap-training"))
try:
    found = {"evidence": compute.check_auth().evidence, "seen": compute.auth_seen().valid}
    auth.check_auth(needed_seconds=86_400)
except TrainingError as error:
    kind = str(error.failure_class)
    found = {"code": error.code, "said": error.message, "fix": error.fix, "class": kind}
print(json.dumps(found))
"""


def client(tmp_path: Path, code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    settings = tmp_path / "modal.toml"
    settings.touch()
    clean = {name: os.environ[name] for name in os.environ if not name.startswith("MODAL_")}
    given = {**clean, "MODAL_CONFIG_PATH": str(settings), "NO_PROXY": "127.0.0.1", **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )


def asked(tmp_path: Path, **environment: str) -> dict[str, Any]:
    done = client(tmp_path, CHECK, **environment)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def closed_port() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


class Answers:
    """The two questions of the check, and what this server says to each."""

    def __init__(self, refusal: str | None = None, expires: int = 0) -> None:
        self.refusal, self.expires = refusal, expires

    async def hello(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        if self.refusal is not None:
            raise grpclib.GRPCError(Status.UNAUTHENTICATED, self.refusal)
        assert stream.metadata is not None
        assert stream.metadata["x-modal-token-id"] == "ak-test"
        await stream.send_message(api_pb2.ClientHelloResponse())

    async def token_info(self, stream: Stream[Any, Any]) -> None:
        await stream.recv_message()
        answer = api_pb2.TokenInfoGetResponse(workspace_name="cats")
        answer.expires_at.seconds = self.expires
        await stream.send_message(answer)

    def __mapping__(self) -> dict[str, Handler]:
        one = Cardinality.UNARY_UNARY
        path = "/modal.client.ModalClient/"
        reply = api_pb2.TokenInfoGetResponse
        return {
            f"{path}ClientHello": Handler(self.hello, one, Empty, api_pb2.ClientHelloResponse),
            f"{path}TokenInfoGet": Handler(
                self.token_info, one, api_pb2.TokenInfoGetRequest, reply
            ),
        }


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """The address of a server in another thread."""
    ready: list[int] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = Server([answers])
        # the port it serves is one that it holds: nobody else can take it in between
        plug = socket.create_server(("127.0.0.1", 0))
        ready.append(plug.getsockname()[1])
        await server.start(sock=plug)
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            await server.wait_closed()

    task = loop.create_task(serve())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(60)
        yield f"http://127.0.0.1:{ready[0]}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def test_an_accepted_token_is_evidence(tmp_path: Path) -> None:
    with serving(Answers(expires=int(time.time()) + 10**6)) as server:
        found = asked(tmp_path, MODAL_SERVER_URL=server, **TOKEN)
    assert found["evidence"] == "token ak-test accepted, workspace cats"
    assert found["seen"] is True


def test_no_token_is_said_without_asking_anybody(tmp_path: Path, closed_port: str) -> None:
    found = asked(tmp_path, MODAL_SERVER_URL=closed_port)
    assert (found["code"], found["class"]) == ("no_token", "permanent")
    assert len(found["fix"].splitlines()) == 4
    assert "modal token new" in found["fix"]
    half = asked(tmp_path, MODAL_SERVER_URL=closed_port, **dict(list(TOKEN.items())[:1]))
    assert half["said"] == "no complete token for Modal: its secret is missing"


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path, closed_port: str) -> None:
    found = asked(tmp_path, MODAL_SERVER_URL=closed_port, **TOKEN)
    assert (found["code"], found["class"]) == ("modal_unreachable", "transient")
    assert "Connection refused" in found["said"]


def test_a_server_that_says_nothing_is_unreachable_within_five_seconds(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = asked(tmp_path, MODAL_SERVER_URL=server, **TOKEN)
    assert (found["code"], found["class"]) == ("modal_unreachable", "transient")
    assert "no answer within" in found["said"]
    assert modal_auth.PROBE_SECONDS + modal_auth.ANSWER_SECONDS < 5


@pytest.mark.parametrize(
    ("answer", "code"),
    [("Token not found", "token_refused"), ("Token has expired", "token_expired")],
)
def test_a_refused_token_is_not_the_same_as_an_expired_one(
    tmp_path: Path, answer: str, code: str
) -> None:
    with serving(Answers(refusal=answer)) as server:
        found = asked(tmp_path, MODAL_SERVER_URL=server, **TOKEN)
    assert (found["code"], found["class"]) == (code, "permanent")
    assert answer in found["said"]


def test_a_token_that_ends_before_the_training_is_refused_here(tmp_path: Path) -> None:
    with serving(Answers(expires=int(time.time()) + 3600)) as server:
        found = asked(tmp_path, MODAL_SERVER_URL=server, **TOKEN)
    assert found["code"] == "token_expires"
    assert "ends in 1.0 h, the training needs 24.0 h" in found["said"]


def test_06_the_app_needs_the_standard_library_and_modal_and_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "hidden = ('torch', 'numpy', 'pydantic', 'PIL', 'safetensors')\n"
        "sys.modules.update(dict.fromkeys(hidden))\n"
        "from training.compute.modal import carrier\n"
        "from training.compute.recipe import Hardware, Recipe\n"
        "recipe, hardware = Recipe(), Hardware()\n"
        "app = carrier.declare(recipe, hardware, carrier.image_of(recipe))\n"
        "print(sorted(app.registered_functions))"
    )
    done = client(tmp_path, code)
    assert (done.returncode, done.stdout) == (0, "['carry', 'join', 'make', 'prove']\n"), (
        done.stderr
    )


def test_a_rebuild_needs_a_changed_pin() -> None:
    recipe = own_recipe()
    assert [pin.partition("==")[0] for pin in recipe.requirements] == sorted(REQUIREMENTS)
    other = [f"{pin}9" if pin.startswith("torch==") else pin for pin in recipe.requirements]
    changed = dataclasses.replace(recipe, requirements=tuple(other))
    assert changed.fingerprint() != recipe.fingerprint() == own_recipe().fingerprint()


@pytest.mark.parametrize("path", ["/outputs/checkpoints/x", "../x", "a/../../x"])
def test_a_volume_path_has_no_mount_prefix(tmp_path: Path, path: str) -> None:
    code = (
        "import sys\nfrom training.compute.modal.volume import ModalVolume\n"
        f"ModalVolume('goap-training').read_bytes({path!r})"
    )
    done = client(tmp_path, code, **TOKEN)
    assert "leaves the volume" in done.stderr


def test_a_volume_without_a_token_says_authentication(tmp_path: Path, closed_port: str) -> None:
    code = (
        "from training.errors import AuthenticationError\n"
        "from training.compute.modal.volume import ModalVolume\n"
        "try: ModalVolume('goap-training').listdir('')\n"
        "except AuthenticationError as error: print(error.code)"
    )
    done = client(tmp_path, code, MODAL_SERVER_URL=closed_port)
    assert done.stdout == "no_token\n", done.stderr


@pytest.mark.parametrize("length", [1, 52, 53, 64])
def test_what_is_kept_for_a_volume_has_a_name_that_the_platform_takes(length):
    from training.compute.modal.container import budget_name

    names = {budget_name(letter * length) for letter in "ab"}
    assert len(names) == 2
    assert max(map(len, names)) <= 64
