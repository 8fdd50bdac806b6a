"""Training in a container of Modal, behind the `Compute` port.

A training is launched once: a claim in a `modal.Dict` comes before the call, the call's id is kept
in the claim, and a second launcher attaches. What a training did is read from the volume; the call
only says whether somebody still works on it. No answer is "unknown" and never "failed".

Verified with the real client as far as it goes without a server; launching needs the cloud or the
rehearsal control plane (`training/compute/loopback/`).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import modal

from training.compute.billing import Report
from training.compute.modal import auth, orders
from training.compute.modal.bill import billed
from training.compute.modal.launching import Launcher
from training.compute.modal.making import ModalMaker
from training.compute.modal.named_images import named_images, remove_name
from training.compute.modal.patience import patient
from training.compute.modal.rates import hourly_rate, listed_rates
from training.compute.modal.refusals import modal_errors
from training.compute.modal.volume import ModalVolume
from training.compute.port import (
    Auth,
    HourlyRate,
    Launch,
    NamedImage,
    Shipped,
    TrainingStatus,
    status_of,
)
from training.compute.recipe import Hardware, Recipe
from training.compute.spending import Limits, Period
from training.runner.order import Order
from training.store.directory import TrainingDirectory

__all__ = ["ModalCompute"]

_WHERE = {
    "modal": "on Modal",
    "loopback": "in a process here (verified with the real client against the loopback control "
    "plane; the cloud itself was not reached)",
}

_DO = "python -m training.compute.loopback do"
_REMEDIES = {
    "modal": orders.Remedies(
        secret="modal secret create NAME KEY=VALUE",  # noqa: S106 - no secret
        bucket="make bucket {name} where you keep it, and a secret that may list and read it",
    ),
    "loopback": orders.Remedies(
        secret=f"""{_DO} secret name=NAME values='{{"KEY":"VALUE"}}' --state .goap/loopback""",
        bucket=f"let a folder play it: {_DO} bucket name={{name}} folder=FOLDER "
        "--state .goap/loopback",
    ),
}

_LOOK_SECONDS = {"modal": 20.0, "loopback": 0.5}
"""How often a call is looked at that showed no sign of life yet."""


class ModalCompute:
    """Trainings as calls of a deployed app.

    Args:
        volume: Where containers write.
        environment: The workspace's environment; the default one when None.
        clock: Says when.
        name: ``modal``, or ``loopback`` where the control plane is the one on this machine.
        limits: What trainings on this volume may cost.
    """

    def __init__(
        self,
        volume: ModalVolume,
        environment: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "modal",
        limits: Limits | None = None,
    ) -> None:
        self._volume = volume
        self._environment = environment
        self._clock = clock
        self._name = name
        self._orders: dict[str, Order] = {}
        self._launcher = Launcher(
            volume,
            environment,
            lambda: clock().timestamp(),
            _LOOK_SECONDS[name],
            limits or Limits(),
        )

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

    def hourly_rates(self, hardware: Sequence[Hardware]) -> list[HourlyRate | None]:
        """What the platform bills for an hour of each of these."""
        listed = listed_rates() if hardware else {}
        return [hourly_rate(each, listed, self._clock) for each in hardware]

    @property
    def maker(self) -> ModalMaker:
        """Who runs commands that make data: containers, with the volume mounted."""
        remedies = _REMEDIES[self._name]
        return ModalMaker(self._launcher, self._volume, self._environment, self._name, remedies)

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
        remedies = _REMEDIES[self._name]
        orders.Proving(self._volume, self._environment, recipe, smoke, source, remedies).made(
            log, cancelled
        )
        return self.proof_of(recipe, smoke) or ""

    def start(
        self, order: Order, source: Shipped, hardware: Hardware, deadline_seconds: float | None
    ) -> Launch:
        """Start a call that carries a declared training, or attach to the one that does.

        Raises:
            ConfigError: There is no such GPU, secret or bucket.
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        return self._launcher.launch(
            orders.OrderLaunch(
                self._volume,
                self._environment,
                order,
                source,
                hardware.tagged(order.key),
                deadline_seconds,
                _REMEDIES[self._name],
            )
        )

    def bill(self, period: Period) -> Report:
        """What the platform billed on a day or in a month."""
        return billed(period)

    def images(self) -> list[NamedImage]:
        """The names under which proven images are kept, in the whole workspace.

        Raises:
            Unreachable: They cannot be listed now.
        """
        return named_images()

    def remove_image(self, name: str) -> str:
        """Delete the name of an image; why that could not be done, or nothing."""
        return remove_name(name)

    @patient
    def set_aside(self) -> dict[str, float]:
        """Dollars by training that are set aside for calls which are not over.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors("asking what is set aside"):
            return self._launcher.set_aside()

    @patient
    def owner(self, key: str) -> str | None:
        """The call that works on a training; one request while it is the one it was.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors(f"asking for {key}"):
            call = self._launcher.running(key)
            given_up = call is not None and self._launcher.seen(key, call).failure is not None
            return None if given_up else call

    @patient
    def status(self, key: str) -> TrainingStatus:
        """How far a training is, by the volume; whether it runs, by its call.

        Raises:
            Unreachable: That cannot be known now.
        """
        directory = self._directory(key)
        with modal_errors(f"asking for {key}"), self._volume.look():
            owner = self._launcher.running(key)
            self._volume.listdir(directory.name)  # what is not there is not asked for one by one
            order = self._orders.pop(key, None) or directory.read_order()
            status = status_of(directory, owner=owner, order=order)
            if owner is not None:
                if order is not None:
                    self._orders[key] = order
                return self._seen(status, key, owner)
            if status.state not in ("absent", "interrupted"):
                return status
            said, failure = self._launcher.explained(key)
            return replace(status, said=said, failure=failure)

    def _seen(self, status: TrainingStatus, key: str, call: str) -> TrainingStatus:
        """What a call does, of which the volume says only how far its training came."""
        sight = self._launcher.seen(key, call)
        since = max(0.0, self._clock().timestamp() - sight.since) if sight.since else None
        return replace(
            status,
            state=sight.state,
            since=since,
            waits_for=sight.waits_for,
            starts=sight.starts,
            said="" if sight.failure is None else sight.failure.message,
            failure=sight.failure,
        )

    def _directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory(self._volume, key)

    @patient
    def stop(self, key: str) -> bool:
        """Cancel the call; the container saves and ends. False when none runs."""
        with modal_errors(f"stopping {key}"):
            call = self._launcher.running(key)
            if call is None:
                return False
            modal.FunctionCall.from_id(call).cancel()
            return True
