"""Containers: processes of the client's own entrypoint, with only what was mounted.

Each has a port of its own, by which the control plane knows who asks; no credentials; an import
path of the image and the mounted source; and its own copies of its volumes.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from modal_proto import api_pb2

from training.compute.loopback.apps import Apps
from training.compute.loopback.buckets import Buckets
from training.compute.loopback.calls import Call, Calls
from training.compute.loopback.clusters import (
    address_environment,
    address_modules,
    cluster_size,
)
from training.compute.loopback.container import Container, Fate, send
from training.compute.loopback.images import Images
from training.compute.loopback.limits import Limits
from training.compute.loopback.messages import make, new_id
from training.compute.loopback.mounted import MountedVolume
from training.compute.loopback.mounts import Mounts
from training.compute.loopback.secrets import Secrets
from training.compute.loopback.store import Store
from training.compute.loopback.used import begin_task, end_task, kill_tasks
from training.compute.loopback.volumes import Volumes

__all__ = ["Containers"]

STARTS = 3
"""A container that ends so often before it asks for its input fails the call of an app that is not
deployed."""


@dataclass(frozen=True)
class Sources:
    """Where a container's parts come from."""

    apps: Apps
    images: Images
    mounts: Mounts
    volumes: Volumes
    secrets: Secrets
    buckets: Buckets
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
        self._places, self._most = asyncio.Semaphore(limits.containers), limits.containers
        self._turn = asyncio.Lock()
        self.calls: Calls
        self.limits = limits
        self.running: dict[str, Container] = {}
        self.started = 0
        self.app_of_task: dict[str, str] = {}
        self.unmounted: set[str] = set()

    def schedule(self, call: Call) -> None:
        """Give a waiting call a container when there is a place."""
        self._background(self._serve(call))

    async def stop(self, call: Call, why: Literal["cancelled", "timeout"]) -> None:
        """End a call: its container is told, and killed when it does not listen."""
        if not self.calls.stop(call, why):
            return
        lead = self.running.get(call.task)
        for container in [] if lead is None else lead.cluster:
            container.cancelled.append(call.input_id)
            container.bell.ring()
            self._background(self._kill_later(container, call))

    def adopt(self, container: Container, call: Call) -> None:
        """Give a container another call."""
        container.call = call
        self.calls.take(call, container.task)

    def kill(self, container: Container, fate: Fate) -> None:
        """Let something happen to a container from outside; a preemption, to all of its cluster."""
        if fate == "preempted":
            for each in container.cluster:
                each.draining = True
                send(each, signal.SIGINT)
                self._background(self._kill_later(each, None))
        else:
            send(container, signal.SIGKILL)

    def clean(self) -> None:
        """Kill what a control plane before this one left running, and its directories."""
        kill_tasks(self._sources.store)
        shutil.rmtree(self._root, ignore_errors=True)

    async def close(self) -> None:
        """Kill every container."""
        for task in list(self._tasks):
            task.cancel()
        for container in list(self.running.values()):
            send(container, signal.SIGKILL)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: Call) -> None:
        size = cluster_size(self._sources.apps.definition(call.function))
        await self._queue(call)
        async with self._room(size):
            if call.state != "waiting":
                return
            cluster = self._cluster(call, size)
            self.calls.take(call, cluster[0].task)
            await asyncio.gather(*map(self._live, cluster))

    @asynccontextmanager
    async def _room(self, size: int) -> AsyncIterator[None]:
        """Places for so many containers at once; two clusters never wait for each other's."""
        taken = 0
        try:
            async with self._turn:
                for _ in range(min(size, self._most)):
                    await self._places.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._places.release()

    def _cluster(self, call: Call, size: int) -> list[Container]:
        """The containers of a call, of which the first has it."""
        definition = self._sources.apps.definition(call.function)
        cluster: list[Container] = []
        for rank in range(size):
            task = new_id("ta")
            container = Container(task, call.function, definition, self._root / task)
            container.rank, container.cluster = rank, cluster
            container.call = None if rank else call
            cluster.append(container)
            self.running[task] = container
            self.started += 1
            self.app_of_task[task] = self._sources.apps.app_of(call.function).identity
        return cluster

    async def _live(self, container: Container) -> None:
        try:
            await self._run(container)
        finally:
            self.running.pop(container.task)
            self._after(container)
            self._end_cluster(container)

    def _end_cluster(self, ended: Container) -> None:
        """A cluster is whole, or it ends: with its call in peace, otherwise at once."""
        call = ended.lead.asked
        over = call is not None and call.state != "running"
        for other in ended.cluster:
            if other is ended or other.task not in self.running or ended.answered:
                continue
            other.draining = True
            if over:
                self._background(self._kill_later(other, None))
            else:
                send(other, signal.SIGKILL)

    async def _queue(self, call: Call) -> None:
        """Wait until there is a GPU, where the call wants one."""
        wants = any(self._sources.apps.gpus(call.function))
        while wants and call.state == "waiting" and self._until(call) > time.time():
            await asyncio.sleep(0.1)

    def _until(self, call: Call) -> float:
        return call.created + self.limits.queue

    async def _run(self, container: Container) -> None:
        await asyncio.to_thread(self._prepare, container)
        if container.lead.draining:
            return
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
            begin_task(self._sources.store, container, self.app_of_task[container.task])
            self.watch(container, container.definition.startup_timeout_secs)
            await container.process.wait()
        finally:
            close()

    def _after(self, container: Container) -> None:
        """What the end of a container means for the call it had."""
        call = container.call
        if container.process is not None:
            send(container, signal.SIGKILL)  # whatever it started itself
        end_task(self._sources.store, container.task)
        shutil.rmtree(container.root, ignore_errors=True)
        if call is None or call.state != "running" or call.task != container.task:
            return
        given_up = not container.draining and self._gives_up(container, call)
        if container.failure is not None and (container.began or given_up):
            self.calls.finish(call, container.failure, 0)
        elif given_up and not container.began:
            self.calls.finish(call, self._crash_loop(container, call.starts), 0)
        else:
            self.calls.lost(call)

    def _gives_up(self, container: Container, call: Call) -> bool:
        """Whether a call fails whose container ended before it asked for its input.

        Those of a deployed app start again for ever.
        """
        deployed = self._sources.apps.app_of(call.function).state == api_pb2.APP_STATE_DEPLOYED
        if deployed:
            return 0 < self.limits.starts <= call.starts
        return container.failure is not None or call.starts >= STARTS

    def _crash_loop(self, container: Container, starts: int) -> api_pb2.GenericResult:
        log = self.log_of(container.task)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        failed = api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE
        said = lines[-1] if lines else "no output"
        text = f"the container ended {starts} times before it asked for its input: {said}"
        return make(api_pb2.GenericResult, status=failed, exception=text)

    def log_of(self, task: str) -> Path:
        """What a container prints."""
        return self._root.parent / "logs" / f"{task}.log"

    def _prepare(self, container: Container) -> None:
        (container.root / "root").mkdir(parents=True)
        (container.root / "tmp").mkdir()
        for mount in container.definition.mount_ids:
            self._sources.mounts.unpack(mount, container.root)
        for name in self.unmounted:
            (container.root / "root" / name).unlink(missing_ok=True)
        for mount in container.definition.volume_mounts:
            path = container.root / mount.mount_path.lstrip("/")
            container.volumes[mount.volume_id] = MountedVolume(
                self._sources.volumes, mount.volume_id, path
            )
        self._sources.buckets.mount(container.definition, container.root)
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
        modules = str(container.root / "root")
        if len(container.cluster) > 1:
            modules = os.pathsep.join([modules, address_modules(container.root)])
        return {
            "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
            "LANG": "C.UTF-8",
            "HOME": str(container.root / "root"),
            "TMPDIR": str(container.root / "tmp"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **image.environment,
            **self._secret(container),
            "PYTHONPATH": modules,
            "MODAL_CONFIG_PATH": str(container.root / "none.toml"),
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(container.root / "arguments"),
            "MODAL_IMAGE_ID": image.identity,
            "MODAL_IS_REMOTE": "1",
            "MODAL_SERVER_URL": f"http://127.0.0.1:{port}",
            "MODAL_TASK_ID": container.task,
            "GOAP_CONTAINER_ROOT": str(container.root),
            **(address_environment(container.rank) if len(container.cluster) > 1 else {}),
        }

    def _secret(self, container: Container) -> dict[str, str]:
        """What the secrets of the function put into the environment; of two, the later wins."""
        values: dict[str, str] = {}
        for identity in container.definition.secret_ids:
            values |= self._sources.secrets.values(identity)
        return values

    def watch(self, container: Container, seconds: float) -> None:
        """End the call when its time is over: that to start, then that to run."""
        container.watched += 1
        if seconds and container.call is not None:
            self._background(self._timeout(container, container.watched, seconds))

    async def _timeout(self, container: Container, watched: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        call = container.call
        if call is None or watched != container.watched:
            return
        if call.task == container.task and call.state == "running":
            await self.stop(call, "timeout")

    async def _kill_later(self, container: Container, call: Call | None) -> None:
        await asyncio.sleep(self.limits.grace)
        ended = call is not None and (call.state != "running" or call.task != container.task)
        if not ended and container.task in self.running:
            send(container, signal.SIGKILL)
