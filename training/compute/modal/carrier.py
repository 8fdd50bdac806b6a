"""The one function that carries any training on Modal, in one app for each image.

`carry` runs one slice of a training; beside it, `prove` shows on a processor that the image works,
`make` runs a command there that makes data, and `join` makes one file of its pieces.
All are deployed without hardware: a call says itself what it is to run on, by
`Function.with_options`. The clients 1.5.4 and 1.6.4 both have it and take the same there: `gpu`,
`cpu`, `memory`, `timeout`, `secrets`, `region`, `volumes`, `retries` and more
(`modal/_functions.py`, `with_options`; `FunctionOptions` in `modal_proto`). They take one GPU
there; a list in the order it is wanted is taken by `App.function` only, and tags by `App` only: an
app of its own is deployed for each list and for each set of tags.

Importing this module takes the standard library and the modal client and nothing else: in the
container there is what the training's requirements say, and none of ours.
"""

import dataclasses
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import modal
import modal.exception

from training.compute.modal import container
from training.compute.modal.clustered import clustered, nodes_here
from training.compute.modal.container import TIMEOUT_SECONDS, show_life
from training.compute.modal.entering import (
    Entry,
    cancelling,
    container_began,
    enter,
    longest_slice,
)
from training.compute.modal.mounts import mounted, mounted_bucket, volumes
from training.compute.modal.scripted import contract_package, script_environment
from training.compute.recipe import Hardware, Recipe
from training.runner.bucket import Bucket
from training.store.layout import LocalLayout

if TYPE_CHECKING:
    from training.runner.call import Call
    from training.runner.nodes import Crew, Nodes

__all__ = [
    "PROOF_SECONDS",
    "SHIPPED",
    "app_name",
    "carry",
    "declare",
    "image_name",
    "image_of",
    "options",
]

SHIPPED: Final = (
    *("__init__.py", "contract.py", "errors.py", "key.py", "py.typed", "runner/*.py"),
    *("compute/__init__.py", "compute/recipe.py"),
    *(f"compute/modal/{name}.py" for name in ("__init__", "carrier", "container", "entering")),
    *(
        f"compute/modal/{name}.py"
        for name in ("clustered", "joiner", "maker", "mounts", "prover", "scripted")
    ),
    *(f"store/{name}.py" for name in ("__init__", "durable", "layout", "lease", "lock")),
    *(f"store/{name}.py" for name in ("metrics", "names", "saved", "volume")),
)
"""What of this package is mounted in a container: what needs the standard library alone."""

PROOF_SECONDS: Final = 30 * 60
_CANCELLED: Final = "the call was cancelled, or its time is over"


def app_name(recipe: Recipe, hardware: Hardware) -> str:
    """The app of an image; with what a call cannot say itself, where there is such."""
    name = recipe.app
    more = [hardware.nodes] if hardware.nodes > 1 else []
    fixed = json.dumps([_listed(hardware), hardware.tags, *more])
    if not _listed(hardware) and not hardware.tags and not more:
        return name
    return f"{name}-{hashlib.sha256(fixed.encode()).hexdigest()[:6]}"


def image_name(recipe: Recipe) -> str:
    """The name of the image of a recipe, once it is proven."""
    fingerprint = recipe.fingerprint()
    return f"goap-{fingerprint[:12]}:{fingerprint[:16]}"


def image_of(recipe: Recipe) -> modal.Image:
    """The image of a recipe; built when it is deployed for the first time."""
    image = modal.Image.debian_slim(python_version=recipe.python)
    if recipe.apt:
        image = image.apt_install(*sorted(recipe.apt))
    if recipe.requirements:
        image = image.uv_pip_install(*sorted(recipe.requirements))
    return image


def declare(recipe: Recipe, hardware: Hardware, image: modal.Image) -> modal.App:
    """The app of an image, to be deployed.

    Args:
        recipe: What the image is made of.
        hardware: What an app has to say of it.
        image: By its recipe or by its name.
    """
    made = modal.App(app_name(recipe, hardware), tags=dict(hardware.tags) or None)
    # last, and mounted: a change of our source builds nothing
    shipped = image.add_local_python_source("training", ignore=_stays)
    for function in (container.carry, container.join, container.make, container.prove):
        made.function(
            image=shipped,
            gpu=_listed(hardware) if function is container.carry else None,
            timeout=PROOF_SECONDS if function is container.prove else TIMEOUT_SECONDS,
            retries=_RETRIES if function is container.carry else 0,
            single_use_containers=True,
            include_source=False,
        )(clustered(function, hardware.nodes) if function is container.carry else function)
    return made


_RETRIES: Final = modal.Retries(
    max_retries=2, backoff_coefficient=2.0, initial_delay=30.0, max_delay=60.0
)


def options(
    hardware: Hardware, volume: modal.Volume, bucket: Bucket | None = None
) -> dict[str, Any]:
    """What a call says of its hardware: what was declared, and the most that it may use.

    Both clients take ``(request, limit)`` for cores and memory (`_resources.py` of 1.6.4). Without
    a limit a container may use sixteen cores more and any memory, and all that is billed.
    """
    said: dict[str, Any] = {"volumes": volumes(volume, bucket), "timeout": hardware.timeout}
    said |= {"cpu": hardware.cores, "memory": hardware.megabytes}
    if len(hardware.gpu) == 1:
        said["gpu"] = hardware.gpu[0]
    if hardware.region is not None:
        said["region"] = hardware.region
    if hardware.secrets:
        said["secrets"] = [modal.Secret.from_name(name) for name in hardware.secrets]
    return said


def carry(
    key: str,
    over: Sequence[str],
    *,
    volume: str,
    deadline: float | None,
    timeout: int,
    gpu: str,
    usd_per_hour: tuple[float, float, float] | None,
    nodes: int,
) -> dict[str, Any]:
    """Carry `key` until its end or this slice's deadline; how far it came, or ``duplicate_of``.

    Args:
        key: The training, whose order and source are on the volume.
        over: The calls that had this training before and are known to be over, the last one last.
        volume: The name of the volume that is mounted.
        deadline: After how many seconds of hardware it is to save and end, all containers of this
            call together; None: when the call has to.
        timeout: After how many seconds the platform ends this call.
        gpu: What was asked for, for the account.
        usd_per_hour: What an hour of that costs, for the account.
        nodes: How many containers it has; the first one carries, the others run its script.

    Raises:
        KeyboardInterrupt: It is being preempted; raised after saving, as a run that returns is one
            that finished. modal.exception.InputCancellation: cancelled, or its time is over.
    """
    began, own = container_began(), modal.Volume.from_name(volume)
    place = nodes_here(key, modal.current_function_call_id() or "", nodes)
    where = Where(key, volume=own, rented=(gpu, began, usd_per_hour), began=began)
    if place is not None and place.rank:
        return _attended(where, place, longest_slice(timeout))
    with _listening(place) as crew:  # the others wait for this one, and leave when it does
        entry = enter(LocalLayout(mounted(), key), over, own)
        if entry.answer is not None:
            return entry.answer
        seconds = min(longest_slice(timeout), _left(where, entry.call, deadline, nodes))
        return _carried(where, seconds, _Life(entry, own.commit), crew)


@dataclass(frozen=True)
class Where:
    """A training, and the container it is in."""

    key: str
    _: KW_ONLY
    volume: modal.Volume
    rented: tuple[Any, ...]
    began: float


def _left(where: Where, call: str, deadline: float | None, nodes: int) -> float:
    """How long this container may work: those before it and beside it use of the deadline too.

    So did this one, in the seconds since it began.
    """
    if deadline is None:
        return math.inf
    from training.runner.account import total_seconds, uses_of  # noqa: PLC0415

    path = LocalLayout(mounted(), where.key).account_path
    uses = uses_of(path.read_bytes()) if path.exists() else []
    used = total_seconds(use for use in uses if use.call == call)
    return max(0.0, (deadline - used) / nodes - (time.time() - where.began))


def _carried(where: Where, seconds: float, life: "_Life", crew: "Crew | None") -> dict[str, Any]:
    """Carry until an end; an interruption is raised again when everything is committed."""
    from training.runner.carry import carry as carry_key  # noqa: PLC0415
    from training.runner.signals import Stop  # noqa: PLC0415
    from training.store.lock import holding  # noqa: PLC0415

    root, stop = mounted(), Stop(seconds)
    try:
        with (
            _called(where, life) as made,
            cancelling(partial(stop.ask, _CANCELLED)),
            holding(LocalLayout(root, where.key)),
        ):
            ending = carry_key(root, where.key, stop, dataclasses.replace(made, crew=crew))
    finally:
        where.volume.commit()
    if ending.status == "interrupted":
        _raise_again(stop.reason or "")
    told = {"status": ending.status, "step": ending.step, "target": ending.target_step}
    return {**told, "call": life.call}


def _attended(where: Where, place: "Nodes", seconds: float) -> dict[str, Any]:
    """Run the script beside that of the first container."""
    from training.runner.member import attend  # noqa: PLC0415
    from training.runner.signals import Stop  # noqa: PLC0415

    stop = Stop(seconds)
    with (
        _called(where, _Life(Entry(""), where.volume.commit)) as made,
        cancelling(partial(stop.ask, _CANCELLED)),
    ):
        reason = attend(mounted(), where.key, place, stop, made, where.volume.reload)
    _raise_again(reason)
    return {"node": place.rank}


@contextmanager
def _called(where: Where, life: "_Life") -> Iterator["Call"]:
    """How the runner is called in this container."""
    from training.runner.account import Rented  # noqa: PLC0415
    from training.runner.call import Call  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        yield Call(
            rented=Rented(life.call, *where.rented),
            contract=contract_package(Path(scratch)),
            environment=script_environment(),
            after_save=life.saved,
            console=life.said,
            bucket=mounted_bucket(),
        )


@contextmanager
def _listening(place: "Nodes | None") -> Iterator["Crew | None"]:
    from training.runner.nodes import listening  # noqa: PLC0415

    with listening(place) as crew:
        yield crew


def _raise_again(reason: str) -> None:
    if reason == _CANCELLED:
        raise modal.exception.InputCancellation(reason)
    if reason.startswith("SIG"):
        raise KeyboardInterrupt(reason)


class _Life:
    """Tells others, once, that what was started works: it made a step, or lived for a heartbeat.

    Args:
        entry: Of this container; that of no call has nothing to tell.
        commit: Publishes what is on the volume.
    """

    def __init__(self, entry: Entry, commit: Callable[[], None]) -> None:
        self._entry, self._commit = entry, commit
        self._saves, self._shown = 0, not entry.call

    @property
    def call(self) -> str:
        """What this container works on."""
        return self._entry.call

    def said(self, line: str) -> None:
        """Into the platform's own log of the container as well."""
        print(line, end="", flush=True)
        if _STEP in line:
            self._show()

    def saved(self) -> None:
        """The first time it was not started yet, and what is committed is that it will be."""
        self._saves += 1
        if self._saves > 1:
            self._show()
        self._commit()

    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._entry.alive()
            show_life(self._entry.call)


_STEP: Final = "| Step "


def _listed(hardware: Hardware) -> list[str] | None:
    """GPUs in the order they are wanted, where there is more than one."""
    return list(hardware.gpu) if len(hardware.gpu) > 1 else None


def _stays(path: Path) -> bool:
    """True for what is not mounted in a container."""
    return not any(path.match(each) and len(path.parts) == each.count("/") + 1 for each in SHIPPED)
