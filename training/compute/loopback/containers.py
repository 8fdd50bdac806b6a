"""Containers: processes of the client's own entrypoint, with only what was mounted.

Each has a port of its own, by which the control plane knows who asks; no credentials; an import
path of the image and the mounted source; and its own copies of its volumes.
"""

import asyncio
import base64
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modal_proto import api_pb2

from training.compute.loopback.apps import Apps
from training.compute.loopback.bell import Bell
from training.compute.loopback.calls import Call, Calls
from training.compute.loopback.images import Images
from training.compute.loopback.messages import make, new_id, parse
from training.compute.loopback.mounted import MountedVolume
from training.compute.loopback.mounts import Mounts
from training.compute.loopback.secrets import Secrets
from training.compute.loopback.store import Store
from training.compute.loopback.volumes import Volumes

__all__ = ["Container", "Containers", "Fate", "Limits"]

STARTS = 3
"""A container that ends so often before it asks for its input fails the call."""

Fate = Literal["preempted", "out_of_memory", "crashed"]


@dataclass
class Limits:
    """How long, in seconds, and how many.

    Attributes:
        grace: From an interruption to SIGKILL.
        idle: How long a container without an input stays.
        caller: How long nobody may ask for a synchronous call before it ends.
        client: How long an ephemeral app's client may be silent.
        containers: How many may run at once; the others wait.
    """

    grace: float = 30.0
    idle: float = 1.0
    caller: float = 5.0
    client: float = 60.0
    containers: int = 4


@dataclass
class Container:
    """One container.

    Attributes:
        root: Its directory: ``root/`` is the source, volumes lie at their mount paths.
        failure: Why it could not start, as it said itself.
        asked: The call whose input it asked for last.
    """

    task: str
    function: str
    definition: api_pb2.Function
    root: Path
    call: Call | None = None
    process: asyncio.subprocess.Process | None = None
    volumes: dict[str, MountedVolume] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)
    failure: api_pb2.GenericResult | None = None
    asked: Call | None = None
    draining: bool = False
    began: bool = False


@dataclass(frozen=True)
class Sources:
    """Where a container's parts come from."""

    apps: Apps
    images: Images
    mounts: Mounts
    volumes: Volumes
    secrets: Secrets
    store: Store


class Containers:
    """Starts containers for calls that wait, and ends them.

    Args:
        sources: Where their parts come from.
        root: Where their directories are made.
        limits: How long and how many.
        listen: Opens a port for a container; returns its number and how to close it.
    """

    def __init__(
        self,
        sources: Sources,
        root: Path,
        limits: Limits,
        listen: Callable[[Container], Awaitable[tuple[int, Callable[[], None]]]],
    ) -> None:
        self._sources = sources
        self._root = root
        self._listen = listen
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(limits.containers)
        self.calls: Calls
        self.limits = limits
        self.running: dict[str, Container] = {}
        self.started = 0
        self.app_of_task: dict[str, str] = {}

    def schedule(self, call: Call) -> None:
        """Give a waiting call a container when there is a place."""
        self._background(self._serve(call))

    async def stop(self, call: Call, why: Literal["cancelled", "timeout"]) -> None:
        """End a call: its container is told, and killed when it does not listen."""
        if not self.calls.stop(call, why):
            return
        container = self.running.get(call.task)
        if container is not None:
            container.cancelled.append(call.input_id)
            container.bell.ring()
            self._background(self._kill_later(container, call))

    def adopt(self, container: Container, call: Call) -> None:
        """Give a container another call."""
        container.call = call
        self.calls.take(call, container.task)
        self._watch(container)

    def kill(self, container: Container, fate: Fate) -> None:
        """Let something happen to a container from outside."""
        if fate == "preempted":
            container.draining = True
            _signal(container, signal.SIGINT)
            self._background(self._kill_later(container, None))
        else:
            _signal(container, signal.SIGKILL)

    def clean(self) -> None:
        """Kill what a control plane before this one left running, and its directories."""
        for task, record in list(self._sources.store.items("task")):
            environment = Path(f"/proc/{record['pid']}/environ")
            try:
                ours = f"MODAL_TASK_ID={task}".encode() in environment.read_bytes().split(b"\0")
            except OSError:
                ours = False
            if ours:
                os.killpg(record["pid"], signal.SIGKILL)
            self._sources.store.delete("task", task)
        shutil.rmtree(self._root, ignore_errors=True)

    async def close(self) -> None:
        """Kill every container."""
        for task in list(self._tasks):
            task.cancel()
        for container in list(self.running.values()):
            _signal(container, signal.SIGKILL)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: Call) -> None:
        async with self._places:
            if call.state != "waiting":
                return
            definition = self._sources.apps.definition(call.function)
            task = new_id("ta")
            container = Container(task, call.function, definition, self._root / task, call)
            self.calls.take(call, task)
            self.running[task] = container
            self.started += 1
            self.app_of_task[task] = self._sources.apps.app_of(call.function).identity
            try:
                await self._run(container)
            finally:
                self.running.pop(task)
                self._after(container)

    async def _run(self, container: Container) -> None:
        await asyncio.to_thread(self._prepare, container)
        image = self._sources.images.get(container.definition.image_id)
        python = await asyncio.to_thread(self._sources.images.interpreter, image)
        port, close = await self._listen(container)
        log = self.log_of(container.task)
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as output:
                container.process = await asyncio.create_subprocess_exec(
                    *(python, "-m", "modal._container_entrypoint"),
                    cwd=container.root / "root",
                    env=self._environment(container, port, python.parent),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            record = {"pid": container.process.pid}
            self._sources.store.put("task", container.task, record)
            self._watch(container)
            await container.process.wait()
        finally:
            close()

    def _after(self, container: Container) -> None:
        """What the end of a container means for the call it had."""
        call = container.call
        if container.process is not None:
            _signal(container, signal.SIGKILL)  # whatever it started itself
        self._sources.store.delete("task", container.task)
        shutil.rmtree(container.root, ignore_errors=True)
        if call is None or call.state != "running" or call.task != container.task:
            return
        if container.failure is not None:
            self.calls.finish(call, container.failure, 0)
        elif not container.began and not container.draining and call.starts >= STARTS:
            self.calls.finish(call, self._crash_loop(container), 0)
        else:
            self.calls.lost(call)

    def _crash_loop(self, container: Container) -> api_pb2.GenericResult:
        log = self.log_of(container.task)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        failed = api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE
        said = lines[-1] if lines else "no output"
        text = f"the container ended {STARTS} times before it asked for its input: {said}"
        return make(api_pb2.GenericResult, status=failed, exception=text)

    def log_of(self, task: str) -> Path:
        """What a container prints."""
        return self._root.parent / "logs" / f"{task}.log"

    def _prepare(self, container: Container) -> None:
        (container.root / "root").mkdir(parents=True)
        (container.root / "tmp").mkdir()
        for mount in container.definition.mount_ids:
            self._sources.mounts.unpack(mount, container.root)
        for mount in container.definition.volume_mounts:
            path = container.root / mount.mount_path.lstrip("/")
            container.volumes[mount.volume_id] = MountedVolume(
                self._sources.volumes, mount.volume_id, path
            )
        app = self._sources.apps.app_of(container.function)
        arguments = make(
            api_pb2.ContainerArguments,
            task_id=container.task,
            function_id=container.function,
            app_id=app.identity,
            function_def=container.definition,
            serialized_params=self._sources.apps.parameters(container.function) or None,
            environment_name="main",
            app_layout=self._sources.apps.layout(app),
        )
        (container.root / "arguments").write_bytes(arguments.SerializeToString())

    def _environment(self, container: Container, port: int, programs: Path) -> dict[str, str]:
        image = self._sources.images.get(container.definition.image_id)
        return {
            "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
            "LANG": "C.UTF-8",
            "HOME": str(container.root / "root"),
            "TMPDIR": str(container.root / "tmp"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **image.environment,
            **self._secret(container),
            "PYTHONPATH": str(container.root / "root"),
            "MODAL_CONFIG_PATH": str(container.root / "none.toml"),
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(container.root / "arguments"),
            "MODAL_IMAGE_ID": image.identity,
            "MODAL_IS_REMOTE": "1",
            "MODAL_SERVER_URL": f"http://127.0.0.1:{port}",
            "MODAL_TASK_ID": container.task,
            "GOAP_CONTAINER_ROOT": str(container.root),
        }

    def _secret(self, container: Container) -> dict[str, str]:
        """What the secrets of the function put into the environment; of two, the later wins."""
        values: dict[str, str] = {}
        for identity in container.definition.secret_ids:
            values |= self._sources.secrets.values(identity)
        return values

    def _watch(self, container: Container) -> None:
        """End the call when the function's time is over."""
        seconds, call = container.definition.timeout_secs, container.call
        if seconds and call is not None:
            self._background(self._timeout(container, call, seconds))

    async def _timeout(self, container: Container, call: Call, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if container.call is call and call.task == container.task and call.state == "running":
            await self.stop(call, "timeout")

    async def _kill_later(self, container: Container, call: Call | None) -> None:
        await asyncio.sleep(self.limits.grace)
        ended = call is not None and (call.state != "running" or call.task != container.task)
        if not ended and container.task in self.running:
            _signal(container, signal.SIGKILL)


def content_of(call: Call) -> api_pb2.FunctionInput:
    """The arguments of a call."""
    return parse(api_pb2.FunctionInput, base64.b64decode(call.content))


def _signal(container: Container, number: signal.Signals) -> None:
    """Send a signal: SIGINT to the entrypoint, SIGKILL to all it started as well."""
    process = container.process
    if process is None:
        return
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        elif process.returncode is None:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return
