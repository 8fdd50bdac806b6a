# ruff: noqa: ARG002 - what declared trainings need is not here yet
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
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import modal
import modal.exception

from training.compute.modal import app, auth
from training.compute.modal.calls import at_work, said
from training.compute.modal.claims import Claims, being_launched
from training.compute.modal.rates import hourly_rate, listed_rates
from training.compute.modal.volume import ModalVolume, modal_errors
from training.compute.port import Auth, HourlyRate, Launch, Shipped, TrainingStatus, status_of
from training.compute.recipe import Hardware, Recipe
from training.errors import ConfigError, ImageError, Interrupted, TrainingError, Unreachable
from training.learn.config import Execution
from training.runner.order import Order
from training.store.adjustments import write_adjustments
from training.store.directory import TrainingDirectory, proof_name
from training.store.migrate import check_layout
from training.store.spec import Spec

__all__ = ["ModalCompute"]

PASSING = ("being_launched", "call_without_name")
PATIENCE_SECONDS, LOOK_SECONDS = 15.0, 0.5
"""How long a launcher waits for the call of another one that was faster, or that died."""

_WHERE = {
    "modal": "on Modal",
    "loopback": "in a process here (verified with the real client against the loopback control "
    "plane; the cloud itself was not reached)",
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
        ConfigError: The app is made for another volume, or for a GPU that there is not.
    """

    def __init__(
        self,
        volume: ModalVolume,
        environment: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "modal",
    ) -> None:
        if volume.name != app.VOLUME_NAME:
            raise ConfigError(
                f"the app writes to volume {app.VOLUME_NAME}, not to {volume.name}",
                fix=f"export GOAP_MODAL_VOLUME={volume.name}",
            )
        try:
            app.check_gpu()
        except ValueError as error:
            raise ConfigError(str(error), fix="export GOAP_MODAL_GPU=A10G") from error
        self._volume = volume
        self._environment = environment
        self._clock = clock
        self._name = name

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
        """
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
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with modal_errors(f"launching {spec.key}"):
                    check_layout(self._volume)
                    return self._launch(spec, execution)
            except Unreachable as error:
                if error.code not in PASSING or time.monotonic() > end:
                    raise
            time.sleep(LOOK_SECONDS)

    def _launch(self, spec: Spec, execution: Execution) -> Launch:
        key, directory, claims = spec.key, self._directory(spec.key), self._claims()
        before = claims.newest(key)
        previous = "" if before is None else claims.call_of(key, before)
        lease = directory.lease
        over = claims.turns(key, lease)
        for call in dict.fromkeys(each for each in (*over[-1:], previous, lease) if each):
            if (owner := at_work(call)) is not None:
                return Launch(owner, attached=True, call_id=owner)
        if (result := directory.read_result()) is not None and result.status == "completed":
            # it ended while nobody looked: there is nothing left to pay for
            last = over[-1] if over else previous
            return Launch(last, attached=True, call_id=last)
        # all that takes long comes before the claim, so that next to nothing lies between
        # the claim and the call
        directory.write_spec(spec)
        write_adjustments(directory, execution)
        self._deploy()  # the mounted source is that of the training key
        train = self._function("train").hydrate()
        with claims.taken(key, 0 if before is None else before.number + 1) as mine:
            if mine is None:
                raise being_launched(key)
            spawned = train.spawn(key, over).object_id
            claims.tell(key, mine, spawned)
        return Launch(spawned, attached=False, call_id=spawned)

    def proof_of(self, recipe: Recipe, smoke: Order | None) -> str | None:
        """None: a declared training does not run here yet."""
        return None

    def prove(
        self,
        recipe: Recipe,
        smoke: Order | None,
        source: Shipped,
        log: Callable[[str], None],
        cancelled: threading.Event,
    ) -> str:
        """Not yet.

        Raises:
            ConfigError: Always.
        """
        raise _not_yet()

    def start(
        self, order: Order, source: Shipped, hardware: Hardware, deadline_seconds: float | None
    ) -> Launch:
        """Not yet.

        Raises:
            ConfigError: Always.
        """
        raise _not_yet()

    def status(self, key: str) -> TrainingStatus:
        """How far a training is, by the volume; whether it runs, by its call.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors(f"asking for {key}"):
            status = status_of(self._directory(key), owner=self._running(key))
            unexplained = status.state in ("absent", "interrupted")
            return replace(status, said=self._said(key)) if unexplained else status

    def _directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory(self._volume, key)

    def stop(self, key: str) -> bool:
        """Cancel the call; the container saves and ends. False when none runs."""
        with modal_errors(f"stopping {key}"):
            call = self._running(key)
            if call is None:
                return False
            modal.FunctionCall.from_id(call).cancel()
            return True

    def _claims(self) -> Claims:
        return Claims(self._environment, lambda: self._clock().timestamp())

    def _running(self, key: str) -> str | None:
        """The call that works on a key."""
        claim = self._claims().newest(key)
        call = "" if claim is None else self._claims().call_of(key, claim)
        return at_work(call) if call else None

    def _said(self, key: str) -> str:
        claim = self._claims().newest(key)
        return said(claim.call) if claim is not None and claim.call else ""

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


def _not_yet() -> ConfigError:
    return ConfigError("a declared training does not run on Modal yet", fix="compute=local")
