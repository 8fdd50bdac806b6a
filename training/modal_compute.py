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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import modal
import modal.exception

from training import modal_app, modal_auth
from training.compute import Auth, Launch, State, TrainingStatus
from training.config import Execution, TrainingConfig
from training.errors import ConfigError, ImageError, Interrupted, Unreachable
from training.modal_volume import ModalVolume, modal_errors
from training.result import Result

__all__ = ["ModalCompute"]

CLAIM_SECONDS = 600.0
"""A claim without a call id is a launcher at work until it is this old; then a person looks."""

_WHERE = {
    "modal": "on Modal",
    "loopback": "with the real client against the loopback control plane, not in the cloud",
}

_NO_ANSWER = (
    modal.exception.AuthError,
    modal.exception.ClientClosed,
    modal.exception.ConnectionError,
    modal.exception.InternalError,
    modal.exception.ServiceError,
)


@dataclass(frozen=True)
class _Claim:
    """The newest launch of a key: its number, its call, and when it was claimed."""

    number: int
    call: str
    time: float


class ModalCompute:
    """Trainings as calls of a deployed app.

    Args:
        volume: Where containers write.
        environment: The workspace's environment; the default one when None.
        clock: Says when.
        name: ``modal``, or ``loopback`` where the control plane is the one on this machine.

    Raises:
        ConfigError: The app is made for another volume.
    """

    def __init__(
        self,
        volume: ModalVolume,
        environment: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "modal",
    ) -> None:
        if volume.name != modal_app.VOLUME_NAME:
            raise ConfigError(
                f"the app writes to volume {modal_app.VOLUME_NAME}, not to {volume.name}",
                fix=f"export GOAP_MODAL_VOLUME={volume.name}",
            )
        modal_app.check_gpu()
        self._volume = volume
        self._environment = environment
        self._clock = clock
        self._name = name
        self._accepted: Auth | None = None

    @property
    def name(self) -> str:
        """The word on the command line."""
        return self._name

    def auth_seen(self) -> Auth | None:
        """The answer of the last check; None when nobody was asked yet.

        Raises:
            AuthenticationError: There is no token.
        """
        modal_auth.credentials()
        return self._accepted

    def check_auth(self) -> Auth:
        """Ask Modal whether the token is accepted; answers within five seconds.

        Raises:
            AuthenticationError: No token, a refused one, or one that ends too early.
            Unreachable: Nobody answers.
        """
        self._accepted = None
        self._accepted = modal_auth.check_auth()
        return self._accepted

    def image_fingerprint(self) -> str:
        """Digest of recipe, pinned requirements and Python version; the source does not count."""
        return hashlib.sha256(modal_app.image_fingerprint().encode()).hexdigest()

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
        log(f"deploying {modal_app.APP_NAME}: {len(modal_app.PINNED)} pinned requirements")
        try:
            with modal_errors("building the image"):
                self._deploy()
                if cancelled.is_set():
                    raise Interrupted("stopped after the build", fix="run the goal again")
                log("running the smoke function on a CPU")
                proof = self._function("smoke").remote()
        except (modal.exception.RemoteError, ImportError, RuntimeError) as error:
            raise ImageError(
                f"the training image does not work: {error}",
                fix="the build's log is above; pins are in constraints.txt",
                code="image_incomplete",
            ) from error
        self._volume.write_bytes(self._proof_path(), json.dumps(proof).encode())
        return self.image_status() or ""

    def launch(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> Launch:
        """Start a call that trains `key`, or attach to the one that does; never two.

        Raises:
            Unreachable: Nobody answers, or another launcher is between its claim and its call.
        """
        with modal_errors(f"launching {key}"):
            before = self._claim(key)
            if before is not None and self._at_work(before):
                return Launch(before.call, attached=True, call_id=before.call)
            number = before.number + 1 if before is not None else 0
            mine = {"call": "", "time": self._clock().timestamp()}
            if not self._claims().put(f"{key}/{number}", mine, skip_if_exists=True):
                raise _other_launcher(key)
            self._write_configuration(key, config, dataset, execution)
            self._deploy()  # the mounted source is that of the training key
            call = self._function("train").spawn(key, before.call if before is not None else "")
            self._claims().put(f"{key}/{number}", {**mine, "call": call.object_id})
            return Launch(call.object_id, attached=False, call_id=call.object_id)

    def status(self, key: str) -> TrainingStatus:
        """How far a training is, by the volume; whether it runs, by its call.

        Raises:
            Unreachable: That cannot be known now.
        """
        with modal_errors(f"asking for {key}"):
            claim = self._claim(key)
            running = claim is not None and self._at_work(claim)
        stored = self._stored(f"trainings/{key}/result.json")
        result = None if stored is None else Result.model_validate_json(stored)
        row = self._last_row(key)
        state: State = "running"
        if not running and result is not None:
            state = result.status
        elif not running:
            state = "absent" if claim is None else "interrupted"
        config = self._stored(f"trainings/{key}/config.json")
        return TrainingStatus(
            state=state,
            owner=claim.call if claim is not None and running else "",
            step=int(row["step"]) if "step" in row else result.step if result else None,
            target=int(json.loads(config)["config"]["steps"]) if config else None,
            loss=row.get("loss"),
            images_per_second=row.get("images_per_second"),
            steps_per_second=row.get("steps_per_second"),
        )

    def stop(self, key: str) -> bool:
        """Cancel the call; the container saves and ends. False when none runs."""
        with modal_errors(f"stopping {key}"):
            claim = self._claim(key)
            if claim is None or not self._at_work(claim):
                return False
            modal.FunctionCall.from_id(claim.call).cancel()
            return True

    def _claims(self) -> modal.Dict:
        return modal.Dict.from_name(
            "goap-training-claims", environment_name=self._environment, create_if_missing=True
        )

    def _claim(self, key: str) -> _Claim | None:
        """The newest claim of a key."""
        claims, newest, number = self._claims(), None, 0
        while (found := claims.get(f"{key}/{number}")) is not None:
            newest = _Claim(number, str(found["call"]), float(found["time"]))
            number += 1
        return newest

    def _at_work(self, claim: _Claim) -> bool:
        """True while the call of a claim is not over."""
        if not claim.call:
            if self._clock().timestamp() - claim.time < CLAIM_SECONDS:
                raise _other_launcher("this training")
            raise Unreachable(
                "a launcher claimed this training and never said which call it made",
                fix=f"modal function calls {modal_app.APP_NAME}/train --json, then run again",
                code="claim_without_call",
            )
        try:
            modal.FunctionCall.from_id(claim.call).get(timeout=0)
        except TimeoutError:
            return True
        except _NO_ANSWER:
            raise  # says nothing about the call
        except Exception:  # noqa: BLE001 - whatever it was that the call raised: the call is over
            return False
        return False

    def _function(self, name: str) -> modal.Function[Any, Any, Any]:
        return modal.Function.from_name(
            modal_app.APP_NAME, name, environment_name=self._environment
        )

    def _deploy(self) -> None:
        modal_app.app.deploy(environment_name=self._environment)

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

    def _last_row(self, key: str) -> dict[str, float]:
        for line in reversed((self._stored(f"trainings/{key}/metrics.jsonl") or b"").splitlines()):
            try:
                row: dict[str, float] = json.loads(line)
            except ValueError:
                continue
            if "loss" in row:
                return row
        return {}


def _other_launcher(key: str) -> Unreachable:
    return Unreachable(
        f"another launcher is starting {key} this moment",
        fix="run the same command again: it attaches to the call",
        code="being_launched",
    )
