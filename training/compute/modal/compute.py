"""Training in a container of Modal, behind the `Compute` port.

A training is launched once: a claim in a `modal.Dict` comes before the call, the call's id is kept
in the claim, and a second launcher attaches. What a training did is read from the volume; the call
only says whether somebody still works on it. No answer is "unknown" and never "failed".

Verified with the real client as far as it goes without a server; launching needs the cloud or the
rehearsal control plane (`training/compute/loopback/`).
"""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import modal
import modal.exception

from training.compute.gpu import gpu_names
from training.compute.modal import app, auth, orders
from training.compute.modal.launching import Launcher
from training.compute.modal.rates import hourly_rate, listed_rates
from training.compute.modal.volume import ModalVolume, modal_errors
from training.compute.port import Auth, HourlyRate, Launch, Shipped, TrainingStatus, status_of
from training.compute.recipe import Hardware, Recipe
from training.errors import ConfigError, ImageError, Interrupted, TrainingError
from training.learn.config import Execution
from training.runner.order import Order
from training.store.adjustments import write_adjustments
from training.store.directory import TrainingDirectory, proof_name
from training.store.spec import Spec

__all__ = ["ModalCompute"]

_WHERE = {
    "modal": "on Modal",
    "loopback": "in a process here (verified with the real client against the loopback control "
    "plane; the cloud itself was not reached)",
}

_MAKE_SECRET = {
    "modal": "modal secret create NAME KEY=VALUE",
    "loopback": "python -m training.compute.loopback do secret name=NAME "
    """values='{"KEY":"VALUE"}' --state .goap/loopback""",
}

_DEPLOYING = threading.Lock()


class ModalCompute:
    """Trainings as calls of a deployed app.

    Args:
        volume: Where containers write.
        environment: The workspace's environment; the default one when None.
        clock: Says when.
        name: ``modal``, or ``loopback`` where the control plane is the one on this machine.

    Raises:
        ConfigError: The app is made for a GPU that there is not.
    """

    def __init__(
        self,
        volume: ModalVolume,
        environment: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "modal",
    ) -> None:
        try:
            gpu_names(app.GPU)
        except ValueError as error:
            raise ConfigError(str(error), fix="export GOAP_MODAL_GPU=A10G") from error
        self._volume = volume
        self._environment = environment
        self._clock = clock
        self._name = name
        self._launcher = Launcher(volume, environment, lambda: clock().timestamp())

    @property
    def name(self) -> str:
        """The word on the command line."""
        return self._name

    def auth_seen(self) -> Auth | None:
        """The answer of the last check; None when nobody was asked, or one was refused since.

        Raises:
            AuthenticationError: There is no token.
        """
        return auth.accepted()

    def check_auth(self, needed_seconds: float = 0.0) -> Auth:
        """Ask Modal whether the token is accepted for so long; answers within five seconds.

        Raises:
            AuthenticationError: No token, a refused one, or one that ends too early.
            Unreachable: Nobody answers.
        """
        return auth.check_auth(needed_seconds)

    def hourly_rate(self) -> HourlyRate | None:
        """What the platform bills for an hour of the training function."""
        return hourly_rate(app.GPU, listed_rates(), self._clock)

    def image_fingerprint(self) -> str:
        """Digest of recipe, pinned requirements and Python version; the source does not count."""
        return hashlib.sha256(app.image_fingerprint().encode()).hexdigest()

    def image_status(self) -> str | None:
        """What the smoke function said in this image; None where it never ran."""
        try:
            proof = json.loads(self._volume.read_bytes(self._proof_path()))
        except FileNotFoundError:
            return None
        return (
            f"image {self.image_fingerprint()[:12]}: {proof['modules']} modules imported, "
            f"{proof['steps']} steps taken {_WHERE[self._name]}, Python {proof['python']}"
        )

    def build_image(self, log: Callable[[str], None], cancelled: threading.Event) -> str:
        """Deploy the app, which builds its image, and prove it by the smoke function.

        Raises:
            ImageError: The build or the smoke function failed.
            Interrupted: `cancelled` was set between the two.
            ConfigError: The app is made for another volume.
        """
        self._check_volume()
        try:
            with modal_errors("building the image"):
                proof = self._smoke(log, cancelled)
        except TrainingError:
            raise
        except Exception as error:
            raise ImageError(
                f"the training image does not work: {type(error).__name__}: {error}",
                fix="the build's log is above; pins are in constraints.txt",
                code="image_incomplete",
            ) from error
        self._volume.write_bytes(self._proof_path(), json.dumps(proof).encode())
        return self.image_status() or ""

    def _smoke(self, log: Callable[[str], None], cancelled: threading.Event) -> dict[str, Any]:
        log(f"deploying {app.APP_NAME}: {len(app.PINNED)} pinned requirements")
        with _DEPLOYING:
            app.app.deploy(environment_name=self._environment)
        if cancelled.is_set():
            raise Interrupted("stopped after the build", fix="run the goal again")
        log("running the smoke function on a CPU")
        proof: dict[str, Any] = self._function("smoke").remote()
        # only an image that works has a name, and trainings ask for it by that name
        app.recipe.publish(self._image_name(), environment_name=self._environment)
        return proof

    def launch(self, spec: Spec, execution: Execution) -> Launch:
        """Start a call that trains a key, or attach to the one that does; never two.

        Raises:
            ConfigError: The app is made for another volume.
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        self._check_volume()
        return self._launcher.launch(_SpecLaunch(self, self._directory(spec.key), spec, execution))

    def proof_of(self, recipe: Recipe, smoke: Order | None) -> str | None:
        """What was said in a container of this image; None where it was never asked."""
        return orders.proof_of(self._volume, recipe, smoke, _WHERE[self._name])

    def prove(
        self,
        recipe: Recipe,
        smoke: Order | None,
        source: Shipped,
        log: Callable[[str], None],
        cancelled: threading.Event,
    ) -> str:
        """Build the image, and prove it in a container of it, on a processor.

        Raises:
            ImageError: The build failed, a requirement cannot be imported, or the smoke training
                failed; with its words.
            Interrupted: ``cancelled`` was set.
        """
        orders.Proving(self._volume, self._environment, recipe, smoke, source).made(log, cancelled)
        return self.proof_of(recipe, smoke) or ""

    def start(
        self, order: Order, source: Shipped, hardware: Hardware, deadline_seconds: float | None
    ) -> Launch:
        """Start a call that carries a declared training, or attach to the one that does.

        Raises:
            ConfigError: There is no such GPU, or no such secret.
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        return self._launcher.launch(
            orders.OrderLaunch(
                self._volume,
                self._environment,
                order,
                source,
                hardware,
                deadline_seconds,
                _MAKE_SECRET[self._name],
            )
        )

    def status(self, key: str) -> TrainingStatus:
        """How far a training is, by the volume; whether it runs, by its call.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors(f"asking for {key}"):
            status = status_of(self._directory(key), owner=self._launcher.running(key))
            unexplained = status.state in ("absent", "interrupted")
            return replace(status, said=self._launcher.said(key)) if unexplained else status

    def _directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory(self._volume, key)

    def stop(self, key: str) -> bool:
        """Cancel the call; the container saves and ends. False when none runs."""
        with modal_errors(f"stopping {key}"):
            call = self._launcher.running(key)
            if call is None:
                return False
            modal.FunctionCall.from_id(call).cancel()
            return True

    def _check_volume(self) -> None:
        """The app of our own two models is made for one volume; a declared training takes any."""
        if self._volume.name != app.VOLUME_NAME:
            raise ConfigError(
                f"the app writes to volume {app.VOLUME_NAME}, not to {self._volume.name}",
                fix=f"export GOAP_MODAL_VOLUME={self._volume.name}",
            )

    def deployed(self) -> "modal.Function[Any, Any, Any]":
        """The training function, with the source of now and the image that was proven."""
        self._deploy()
        return self._function("train").hydrate()

    def _function(self, name: str) -> modal.Function[Any, Any, Any]:
        return modal.Function.from_name(app.APP_NAME, name, environment_name=self._environment)

    def _deploy(self) -> None:
        """Deploy with the source of now and the image that was proven; the recipe where it is gone.

        One at a time: several trainings may be launched at once.
        """
        with _DEPLOYING:
            try:
                named = app.declare(self._image_name())
                named.deploy(environment_name=self._environment)
            except modal.exception.NotFoundError:
                app.app.deploy(environment_name=self._environment)

    def _image_name(self) -> str:
        return f"{app.APP_NAME}:{self.image_fingerprint()[:16]}"

    def _proof_path(self) -> str:
        return proof_name(self.image_fingerprint())


@dataclass(frozen=True)
class _SpecLaunch:
    """A training of our own two models that is to be launched."""

    compute: ModalCompute
    directory: TrainingDirectory
    spec: Spec
    execution: Execution

    @property
    def function(self) -> str:
        return f"{app.APP_NAME}/train"

    def is_completed(self) -> bool:
        result = self.directory.read_result()
        return result is not None and result.status == "completed"

    def prepared(self) -> "modal.Function[Any, Any, Any]":
        self.directory.write_spec(self.spec)
        write_adjustments(self.directory, self.execution)
        return self.compute.deployed()  # the mounted source is that of the training key

    def spawned(self, function: "modal.Function[Any, Any, Any]", over: list[str]) -> str:
        return str(function.spawn(self.spec.key, over).object_id)
