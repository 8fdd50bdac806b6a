"""Training in a container of Modal, behind the `Compute` port.

A training is launched once: a claim in a `modal.Dict` comes before the call, the call's id is kept
in the claim, and a second launcher attaches. What a training did is read from the volume; the call
only says whether somebody still works on it. No answer is "unknown" and never "failed".

Verified with the real client as far as it goes without a server; launching needs the cloud or the
control plane of ``training/loopback``.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import modal
import modal.exception

from training.compute.local import Auth, HourlyRate, Launch, State, TrainingStatus
from training.compute.modal import app, auth
from training.compute.modal.calls import at_work, said
from training.compute.modal.claims import Claims, being_launched
from training.compute.modal.rates import hourly_rate, listed_rates
from training.compute.modal.volume import ModalVolume, modal_errors
from training.errors import ConfigError, ImageError, Interrupted, TrainingError, Unreachable
from training.learn.config import Execution, TrainingConfig
from training.store.result import Result

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

    def launch(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> Launch:
        """Start a call that trains `key`, or attach to the one that does; never two.

        Raises:
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with modal_errors(f"launching {key}"):
                    return self._launch(key, config, dataset, execution)
            except Unreachable as error:
                if error.code not in PASSING or time.monotonic() > end:
                    raise
            time.sleep(LOOK_SECONDS)

    def _launch(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> Launch:
        claims = self._claims()
        before = claims.newest(key)
        previous = "" if before is None else claims.call_of(key, before)
        lease = (self._stored(f"trainings/{key}/lease") or b"").decode()
        over = claims.turns(key, lease)
        for call in dict.fromkeys(each for each in (*over[-1:], previous, lease) if each):
            if (owner := at_work(call)) is not None:
                return Launch(owner, attached=True, call_id=owner)
        if (result := self._result(key)) is not None and result.status == "completed":
            # it ended while nobody looked: there is nothing left to pay for
            last = over[-1] if over else previous
            return Launch(last, attached=True, call_id=last)
        # all that takes long comes before the claim, so that next to nothing lies between
        # the claim and the call
        self._write_configuration(key, config, dataset, execution)
        self._deploy()  # the mounted source is that of the training key
        train = self._function("train").hydrate()
        with claims.taken(key, 0 if before is None else before.number + 1) as mine:
            if mine is None:
                raise being_launched(key)
            spawned = train.spawn(key, over).object_id
            claims.tell(key, mine, spawned)
        return Launch(spawned, attached=False, call_id=spawned)

    def status(self, key: str) -> TrainingStatus:
        """How far a training is, by the volume; whether it runs, by its call.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors(f"asking for {key}"):
            running = self._running(key)
        result = self._result(key)
        row = self._last_row(key)
        state: State = "running"
        if not running and result is not None:
            # a result older than the newest attempt is of another one: the newest one was killed
            state = "interrupted" if result.attempts < self._attempts(key) else result.status
        elif not running:
            state = "interrupted" if row or self._stored(f"trainings/{key}/lease") else "absent"
        config = self._stored(f"trainings/{key}/config.json")
        return TrainingStatus(
            state=state,
            owner=running or "",
            step=int(row["step"]) if "step" in row else result.step if result else None,
            target=int(json.loads(config)["config"]["steps"]) if config else None,
            loss=row.get("loss"),
            images_per_second=row.get("images_per_second"),
            steps_per_second=row.get("steps_per_second"),
            said=self._said(key) if state in ("absent", "interrupted") else "",
        )

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

    def _write_configuration(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> None:
        what = {"config": config.model_dump(mode="json"), "dataset": dataset}
        how = execution.model_dump(mode="json")
        for name, content in (("config", what), ("adjustments", how)):
            text = json.dumps(content, indent=2, sort_keys=True) + "\n"
            self._volume.write_bytes(f"trainings/{key}/{name}.json", text.encode())

    def _proof_path(self) -> str:
        return f"images/{self.image_fingerprint()}.json"

    def _stored(self, path: str) -> bytes | None:
        try:
            return self._volume.read_bytes(path)
        except FileNotFoundError:
            return None

    def _result(self, key: str) -> Result | None:
        stored = self._stored(f"trainings/{key}/result.json")
        return None if stored is None else Result.model_validate_json(stored)

    def _attempts(self, key: str) -> int:
        stored = self._stored(f"trainings/{key}/attempts.json")
        return 0 if stored is None else int(json.loads(stored)["count"])

    def _last_row(self, key: str) -> dict[str, float]:
        for line in reversed((self._stored(f"trainings/{key}/metrics.jsonl") or b"").splitlines()):
            try:
                row: dict[str, float] = json.loads(line)
            except ValueError:
                continue
            if "loss" in row:
                return row
        return {}
