"""Declared trainings on Modal: proven in their image, and launched once.

Whatever a container reads is on the volume before its call is made: the order, the staged source.
"""

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import modal
import modal.exception

from training.compute.gpu import gpu_names
from training.compute.modal import carrier
from training.compute.modal.claims import Claim
from training.compute.modal.refusals import modal_errors
from training.compute.modal.states import Watch
from training.compute.modal.volume import ModalVolume
from training.compute.port import Shipped
from training.compute.recipe import Hardware, Recipe, proof_digest
from training.compute.reservations import Asked, Granted
from training.declare.source import stage_source
from training.errors import (
    IMAGE_INCOMPLETE,
    ConfigError,
    ImageError,
    Interrupted,
    TrainingError,
)
from training.runner.bucket import Bucket
from training.runner.order import Order
from training.store.directory import TrainingDirectory, proof_name

__all__ = ["OrderLaunch", "Proving", "Remedies", "deploy", "hydrated", "proof_of", "stage"]

POLL_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 2.0
"""How often it is looked at whether the container of a proof dies before it can say anything."""

_DEPLOYING = threading.Lock()
"""One at a time: several trainings of a process may be launched at once."""


@dataclass(frozen=True)
class Remedies:
    """The commands that make what a call asks for and what is not there.

    Attributes:
        secret: Makes a secret.
        bucket: Makes a bucket, with a place for its name.
    """

    secret: str
    bucket: str


def proof_of(volume: ModalVolume, recipe: Recipe, smoke: Order | None, where: str) -> str | None:
    """The proof that an image works, in words; None where there is none.

    Args:
        volume: Where it is kept.
        recipe: What the image is made of.
        smoke: The training that was carried for it.
        where: In what kind of container, in words.
    """
    try:
        proof = json.loads(volume.read_bytes(_proof_path(recipe, smoke)))
    except (FileNotFoundError, ValueError):
        return None
    held, step = len(proof["requirements"]), proof["step"]
    worked = "the source compiles" if step is None else f"a smoke training came to step {step}"
    return (
        f"image {recipe.fingerprint()[:12]}: {held} requirement{'s' * (held != 1)} imported, "
        f"{worked} {where}, Python {proof['python']}"
    )


def _proof_path(recipe: Recipe, smoke: Order | None) -> str:
    return proof_name(proof_digest(recipe, "" if smoke is None else smoke.key))


@dataclass(frozen=True)
class Proving:
    """A proof that is to be made.

    Attributes:
        volume: Where the container finds the source, and where the proof is kept.
        environment: The workspace's environment; the default one when None.
        recipe: What the image is made of.
        smoke: The training that is carried for it; None: none is.
        source: What that is started from.
        remedies: What makes what is not there.
    """

    volume: ModalVolume
    environment: str | None
    recipe: Recipe
    smoke: Order | None
    source: Shipped
    remedies: Remedies

    def made(self, log: Callable[[str], None], cancelled: threading.Event) -> None:
        """Build the image, prove it, give it its name, and keep the proof.

        Raises:
            ImageError: The build failed, or the proof.
            Interrupted: `cancelled` was set.
        """
        try:
            with modal_errors("building the image"):
                proof = self._proof(log, cancelled)
        except TrainingError:
            raise
        except Exception as error:
            raise ImageError(
                f"the image does not work: {type(error).__name__}: {error}",
                fix="the build's log is above; requirements=, apt= and python= are the training's",
                code=IMAGE_INCOMPLETE,
            ) from error
        content = json.dumps({"format": 2, **proof}, indent=2, sort_keys=True) + "\n"
        self.volume.write_bytes(_proof_path(self.recipe, self.smoke), content.encode())

    def _proof(self, log: Callable[[str], None], cancelled: threading.Event) -> dict[str, Any]:
        recipe, hardware = self.recipe, Hardware()
        name, image = carrier.app_name(recipe, hardware), carrier.image_of(recipe)
        log(f"deploying {name}: {len(recipe.requirements)} requirements, Python {recipe.python}")
        with _DEPLOYING:
            carrier.declare(recipe, hardware, image).deploy(environment_name=self.environment)
        if cancelled.is_set():
            raise Interrupted("stopped after the build", fix="run the goal again")
        staged = f"{_proof_path(self.recipe, self.smoke).removesuffix('.json')}.source"
        stage(self.volume, self.source, f"{staged}/source")
        if self.source.beside is not None:
            stage(self.volume, self.source.beside, f"{staged}/beside")
        try:
            proof = self._answer(name, staged, log, cancelled)
        finally:
            self.volume.remove(staged)
        if "failed" in proof:
            raise ImageError(proof["failed"], fix=proof["fix"], code=proof["code"])
        # only an image that works has a name, and trainings ask for it by that name
        image.publish(carrier.image_name(recipe), environment_name=self.environment)
        return proof

    def _answer(
        self, name: str, staged: str, log: Callable[[str], None], cancelled: threading.Event
    ) -> dict[str, Any]:
        what = "" if self.smoke is None else f" and carrying the smoke training {self.smoke.key}"
        log(f"importing the requirements{what} on a processor")
        function = modal.Function.from_name(name, "prove", environment_name=self.environment)
        hardware = Hardware(timeout=carrier.PROOF_SECONDS)
        bucket = None if self.smoke is None else self.smoke.bucket
        said = carrier.options(hardware, self.volume.handle, bucket)
        smoke = "" if self.smoke is None else self.smoke.to_json()
        ready = hydrated(
            function.with_options(**said), "the proof of the image", self.remedies, bucket
        )
        call = ready.spawn(list(self.recipe.requirements), staged, smoke)
        claim = Claim(0, call.object_id, time.time(), f"{name}/prove")
        watch = Watch(self.environment, time.time, WATCH_SECONDS)
        while True:
            try:
                answer: dict[str, Any] = call.get(timeout=POLL_SECONDS)
            except TimeoutError:
                if cancelled.is_set():
                    call.cancel()
                    raise Interrupted("the proof was stopped", fix="run the goal again") from None
                # a container that dies before it can say anything is started again for ever
                if (failure := watch.look(call.object_id, claim).failure) is not None:
                    raise ImageError(failure.message, fix=failure.fix, code=failure.name) from None
            else:
                return answer


def stage(volume: ModalVolume, source: Shipped, target: str) -> None:
    """Put what a script is started from on a volume."""
    with tempfile.TemporaryDirectory(prefix="staged-") as place:
        local = Path(place, target)
        local.parent.mkdir(parents=True)
        source.stage(local)
        volume.upload(Path(place), target)


@dataclass(frozen=True)
class OrderLaunch:
    """A declared training that is to be launched.

    Attributes:
        volume: Where it is, and what is mounted.
        environment: The workspace's environment; the default one when None.
        order: What is trained.
        source: What it is started from.
        hardware: What it runs on.
        deadline: After how many seconds it is to save and end; None: when the call has to.
        remedies: What makes what is not there.
    """

    volume: ModalVolume
    environment: str | None
    order: Order
    source: Shipped
    hardware: Hardware
    deadline: float | None
    remedies: Remedies

    def __post_init__(self) -> None:
        try:
            gpu_names(self.hardware.gpu)
        except ValueError as error:
            raise ConfigError(str(error), fix="say another one: gpu=A10G") from error

    @property
    def directory(self) -> TrainingDirectory:
        """The training on its volume."""
        return TrainingDirectory(self.volume, self.order.key)

    @property
    def function(self) -> str:
        """What is called."""
        return f"{self._app}/carry"

    def is_completed(self) -> bool:
        """Whether it came to its end already."""
        ending = self.directory.read_ending()
        return ending is not None and ending.status == "completed"

    def prepared(self) -> "modal.Function[Any, Any, Any]":
        """Write what the container reads, deploy, and look the function up.

        Raises:
            ConfigError: A secret or a bucket is not there.
        """
        self._write()
        deploy(self._recipe, self.hardware, self.environment)
        function = modal.Function.from_name(self._app, "carry", environment_name=self.environment)
        bucket = self.order.bucket
        said = carrier.options(self.hardware, self.volume.handle, bucket)
        name = f"training {self.order.name}"
        return hydrated(function.with_options(**said), name, self.remedies, bucket)

    def asked(self, claim: int) -> Asked:
        """What is set aside for the launch."""
        per_hour = self.hardware.usd_per_hour
        return Asked(
            self.order.key,
            claim,
            self.deadline,
            # of hardware, of all machines together
            self.hardware.timeout * self.hardware.nodes,
            self.hardware.likely_seconds and self.hardware.likely_seconds * self.hardware.nodes,
            None if per_hour is None else per_hour[2],
        )

    def spawned(
        self, function: "modal.Function[Any, Any, Any]", over: list[str], granted: Granted
    ) -> str:
        """Make the call; its id."""
        call = function.spawn(
            self.order.key,
            over,
            volume=self.volume.name,
            deadline=granted.deadline,
            timeout=self.hardware.timeout,
            gpu=", ".join(self.hardware.gpu),
            usd_per_hour=self.hardware.usd_per_hour,
            **({"nodes": self.hardware.nodes} if self.hardware.nodes > 1 else {}),
            **({} if granted.slot is None else {"slot": granted.slot}),
        )
        return str(call.object_id)

    @property
    def _app(self) -> str:
        return carrier.app_name(self._recipe, self.hardware)

    @property
    def _recipe(self) -> Recipe:
        parts = self.order.parts
        return Recipe(parts.requirements, parts.apt, parts.python)

    def _write(self) -> None:
        stage_source(self.source, self.volume, self.order.key)
        self.directory.write_order(self.order)


def deploy(recipe: Recipe, hardware: Hardware, environment: str | None) -> None:
    """Deploy the app of an image as it was proven; made by its recipe where there is none.

    Args:
        recipe: What the image is made of.
        hardware: What an app has to say of it.
        environment: The workspace's environment; the default one when None.
    """
    named = modal.Image.from_name(carrier.image_name(recipe))
    for image in (named, carrier.image_of(recipe)):
        app = carrier.declare(recipe, hardware, image)
        try:
            with _DEPLOYING:
                app.deploy(environment_name=environment)
        except modal.exception.NotFoundError:
            continue
        return


def hydrated(
    function: "modal.Function[Any, Any, Any]",
    name: str,
    remedies: Remedies,
    bucket: Bucket | None = None,
) -> "modal.Function[Any, Any, Any]":
    """Look a function up, with all that it asks for.

    Args:
        function: With its options.
        name: Whose it is, in words.
        remedies: What makes what is not there.
        bucket: What it reads data in.

    Raises:
        ConfigError: A secret or a bucket is not there, or the secret does not open it.
    """
    try:
        return function.hydrate()
    except modal.exception.NotFoundError as error:
        raise _missing(f"what {name} runs on is not there: {error}", remedies, bucket) from error
    except modal.exception.InvalidError as error:
        if bucket is None or not bucket.secret or bucket.secret not in str(error):
            raise
        raise _missing(f"what {name} runs on is refused: {error}", remedies, bucket) from error


def _missing(text: str, remedies: Remedies, bucket: Bucket | None) -> ConfigError:
    if bucket is not None and re.search(r"\bbucket\b", text, re.IGNORECASE):
        fix = f"{remedies.bucket.format(name=bucket.name)}; or correct the Bucket in data="
        return ConfigError(text, fix=fix, code="no_such_bucket")
    where = "secrets=" if bucket is None else "secrets= or secret= of the Bucket"
    fix = f"{remedies.secret}; or change {where} of the training"
    return ConfigError(text, fix=fix, code="no_such_secret")
