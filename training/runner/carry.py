"""One attempt at a training, from what is on the volume to a verdict on the volume."""

import dataclasses
import json
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from training.errors import CheckpointError, DiskFull, FailureClass, TrainingError
from training.runner.account import Account, total_seconds, uses_of
from training.runner.adjust import adjusted_settings, read_adjusted
from training.runner.call import Call, data_directory, script_base
from training.runner.checkpoints import Store
from training.runner.command import filled
from training.runner.device import device_name
from training.runner.ending import Ending, Failure, Status
from training.runner.ends import STOPPED, End, failure_of, read_object
from training.runner.log import Log
from training.runner.order import Order, read_order
from training.runner.process import Script, end_left, mark_of
from training.runner.reserve import Reserve
from training.runner.results import forget_result, now, reference_to, result_of, samples_of
from training.runner.sealed import Checkpoint
from training.runner.signals import Stop
from training.runner.stage import work_directory
from training.runner.watch import Rows, finite
from training.store.durable import disk_errors, write_whole
from training.store.layout import LocalLayout

__all__ = ["carry"]

LOOK_SECONDS = 0.2


def carry(root: Path, key: str, stop: Stop | None = None, call: Call | None = None) -> Ending:
    """Carry a training until its end, a stop or a failure; how that was is on the volume then.

    Whoever calls holds the training's lock.

    Args:
        root: The directory of the volume.
        key: The training, whose order and source are on the volume.
        stop: Asked by the caller to end early.
        call: Where and how it runs.

    Raises:
        ConfigError: There is no such order, or it cannot be understood.
    """
    layout = LocalLayout(root.absolute(), key)
    order = read_order(layout.spec_path)
    earlier = _earlier(layout)
    if earlier is not None and earlier.status == "completed":
        return earlier
    attempt = _Attempt(order, layout, stop or Stop(), call or Call(), earlier)
    return attempt.made()


def _earlier(layout: LocalLayout) -> Ending | None:
    try:
        return Ending.from_json(layout.verdict_path.read_bytes(), str(layout.verdict_path))
    except (OSError, CheckpointError):
        return None  # it is written anew at the end


class _Attempt:
    """One attempt; `made` does all of it."""

    def __init__(
        self, order: Order, layout: LocalLayout, stop: Stop, call: Call, earlier: Ending | None
    ) -> None:
        self._order, self._layout, self._stop, self._call = order, layout, stop, call
        self._began = now()
        self._started = earlier.started if earlier is not None else self._began
        self._number = self._count()
        self._log = Log(layout.log_path, console=call.console)
        self._store = Store(order, layout)
        self._rows = Rows(order, layout.path, layout.log_path, self._log.began_at)
        self._from: Checkpoint | None = None
        self._newest: Checkpoint | None = None
        self._device = device_name()
        self._warned: set[str] = set()
        self._reserve = Reserve(layout.path)
        self._account = Account(
            layout.account_path,
            self._number,
            call.rented,
            device=self._device,
            heartbeat=call.heartbeat,
        )

    def made(self) -> Ending:
        """Run the script to its end, judge it, and write the verdict."""
        failure: Failure | None = None
        try:
            with self._stop.listening(), self._account.beating():
                failure = self._scripted()
        except TrainingError as error:
            failure = Failure(error.failure_class, error.code, error.message, fix=error.fix)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            failure = Failure(FailureClass.UNKNOWN, "runner_failed", said)
            raise
        except BaseException as error:  # thrown in from outside, by a platform
            why = f"stopped by {type(error).__name__}; the next attempt goes on from the checkpoint"
            failure = Failure(FailureClass.INTERRUPTED, "interrupted", why)
            raise
        finally:
            ending = self._ended(failure)
        return ending

    def _count(self) -> int:
        """Count one more attempt, durably: a platform restarts a lost container without telling."""
        stored = read_object(self._layout.attempts_path) or {}
        number = int(stored.get("count", 0)) + 1
        write_whole(self._layout.attempts_path, json.dumps({"count": number}) + "\n")
        return number

    def _scripted(self) -> Failure | None:
        """Start the script and see it to its end; why it failed, or None."""
        order, layout = self._order, self._layout
        mark = mark_of(layout.path, order.key)
        if left := end_left(mark):
            self._log.warning(f"Ended {left} processes that an earlier attempt left")
        layout.script_failure_path.unlink(missing_ok=True)
        self._store.clear()
        self._rows.begin(0)
        self._seal()
        self._from = self._newest = self._store.newest_valid(self._pass_over)
        step = self._from.step if self._from is not None else 0
        self._rows.begin(step)
        if forget_result(order, layout, step):
            self._log.info("Removed the result of an earlier attempt, which did not end with it")
        settings = adjusted_settings(order, read_adjusted(layout.adjustments_path))
        write_whole(layout.settings_path, json.dumps(dict(settings), indent=2) + "\n")
        self._introduce(settings, step)
        if (follower := self._call.follower) is not None:
            follower.begin(order, layout, step, self._rows.history())
        # that hardware is used is known to others before it is: a kill takes what is not committed
        self._call.after_save()
        if (failure := self._joined(settings)) is not None or self._stop.reason:
            return failure or self._judged_end(0, killed=False)
        with work_directory(order, layout, self._call.scratch) as work:
            places = self._places()
            words = filled(order.command, {**settings, **places}, shell=order.shell)
            script = Script(
                ["sh", "-c", words[0]] if order.shell else words,
                directory=work,
                environment=self._environment(places),
                log=layout.log_path,
                mark=mark,
                grace=self._call.grace,
            )
            try:
                return self._followed(script)
            finally:
                script.close()

    def _joined(self, settings: Mapping[str, object]) -> Failure | None:
        """Begin together with the machines beside this one; why that is not possible, or None."""
        crew = self._call.crew
        if crew is None:
            return None
        failure = crew.gathered(lambda: self._stop.reason)
        self._account.beside(crew.others)
        self._call.after_save()
        if failure is None:
            resume = self._from.path.relative_to(self._layout.root) if self._from else ""
            crew.begin(settings=dict(settings), resume=str(resume), deadline=self._stop.last_second)
        return failure

    def _followed(self, script: Script) -> Failure | None:
        """Watch a running script until it ends; why it failed, or None."""
        failure: Failure | None = None
        while (code := script.wait(LOOK_SECONDS)) is None:
            failure = failure or self._looked()
            if failure is not None and failure.failure_class is FailureClass.NUMERIC:
                script.kill()  # what it would save now is worth nothing
            elif failure is not None or self._stop.reason:
                script.stop()
            if self._call.crew and (failure or self._stop.reason):
                self._call.crew.stop(self._stop.reason or "a failure")
        if self._call.crew is not None and code not in STOPPED:
            self._call.crew.settle()  # where another one is gone, that is why ours failed
        failure = failure or self._looked()
        if failure is not None:
            if failure.failure_class is FailureClass.NUMERIC:
                self._store.discard_unsealed(self._rows.step)
                self._seal()
            own = failure.exit_code
            return dataclasses.replace(failure, exit_code=code if own is None else own)
        return self._judged_end(code, killed=script.killed and bool(self._stop.reason))

    def _looked(self) -> Failure | None:
        """Look once at what the script wrote: rows, checkpoints, the time."""
        failure = self._rows.look()
        if self._call.follower is not None:
            self._call.follower.look(self._rows.fresh)
        failure = failure or (self._call.crew.wrong if self._call.crew else None)
        if failure is not None:
            return failure
        try:
            self._seal()
            if self._account.beat():
                self._call.after_save()
        except DiskFull as error:
            self._reserve.release()
            return Failure(error.failure_class, error.code, error.message, fix=error.fix)
        return None

    def _judged_end(self, code: int, *, killed: bool) -> Failure | None:
        order, layout = self._order, self._layout
        result = result_of(order, layout)
        if result is not None and (code in STOPPED or self._reached(result)):
            return None
        began = self._from.step if self._from else 0
        advanced = (self._newest.step if self._newest else 0) > began
        end = End(code, self._stop.reason or "", killed, self._log.said(), advanced)
        return failure_of(order, end, layout.script_failure_path)

    def _reached(self, result: Mapping[str, object]) -> bool:
        target, step = self._order.target_step, finite(result).get("step")
        return target is not None and step is not None and step >= target

    def _seal(self) -> None:
        """Seal what the script saved, let it be committed, and delete what is not kept."""
        with disk_errors(self._layout.path):
            sealed = self._store.seal_new(self._rows.at, self._pass_over)
        if not sealed:
            return
        self._newest = sealed[-1]
        for each in sealed:
            loss = each.metrics.get("loss")
            shown = "" if loss is None else f" (loss={loss:.4f})"
            place = each.path.relative_to(self._layout.root)
            self._log.info(f"Saved checkpoint at step {each.step}{shown} to {place}")
        self._call.after_save()
        self._log.info("Checkpoint committed to volume")
        try:
            for gone in self._store.prune(self._order.keep, self._pass_over):
                self._log.info(f"Deleted checkpoint of step {gone.step}, which is not kept")
        except CheckpointError as error:
            self._log.warning(f"nothing is deleted: {error.message}")

    def _pass_over(self, name: str, why: str) -> None:
        text = f"Checkpoint {name} is passed over: {why}"
        if text not in self._warned:
            self._warned.add(text)
            self._log.warning(text)

    def _introduce(self, settings: Mapping[str, object], step: int) -> None:
        order = self._order
        listed = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
        self._log.info(f"Training {order.name} {order.key}, attempt {self._number}")
        self._log.info(f"Settings: {listed or 'none'}")
        if order.data:
            self._log.info(f"Data: {order.label} {order.data[:12]}")
        self._log.info(f"Device: {self._device}, Python {platform.python_version()}")
        to = "" if order.target_step is None else f" of {order.target_step}"
        self._log.info(f"{'Resuming' if step else 'Starting'} at step {step}{to}")

    def _places(self) -> dict[str, str]:
        root, order = self._layout.root, self._order
        return {
            "run_dir": str(self._layout.path),
            "resume": "" if self._from is None else str(self._from.path),
            "data_dir": data_directory(order, root, self._call),
            "init": str(root / order.init.checkpoint) if order.init is not None else "",
        }

    def _environment(self, places: Mapping[str, str]) -> dict[str, str]:
        deadline, order, crew = self._stop.last_second, self._order, self._call.crew
        return {
            **script_base(self._call),
            **order.parts.env,
            **{f"GOAP_{name.upper()}": place for name, place in places.items()},
            "GOAP_SETTINGS": str(self._layout.settings_path),
            "GOAP_KEY": order.key,
            **({"GOAP_DEADLINE": deadline} if deadline else {}),
            **({} if crew is None else crew.nodes.environment()),
        }

    def _ended(self, failure: Failure | None) -> Ending:
        """Write the verdict, whatever happened before."""
        self._reserve.release()
        with suppress(DiskFull):
            self._seal()
        with suppress(DiskFull):
            self._account.end()
        ending = self._ending(failure)
        with suppress(DiskFull):
            write_whole(self._layout.verdict_path, ending.to_json())
        for gate in ending.gates:
            say = self._log.info if gate.passed else self._log.error
            verdict = "passed" if gate.passed else "FAILED"
            limit = f"{gate.direction} {gate.threshold:g}"
            say(f"Gate {gate.name} {verdict}: {gate.value:.4g} {limit}")
        say = self._log.error if ending.status == "failed" else self._log.info
        to = "" if ending.target_step is None else f"/{ending.target_step}"
        reason = f": {failure.name}: {failure.message}" if failure is not None else ""
        say(f"Training {ending.status} at step {ending.step}{to}{reason}")
        if self._call.follower is not None:
            self._call.follower.end(ending)
        self._call.after_save()
        return ending

    def _ending(self, failure: Failure | None) -> Ending:
        order, layout = self._order, self._layout
        result = (result_of(order, layout) or {}) if failure is None else {}
        interrupted = failure is not None and failure.failure_class is FailureClass.INTERRUPTED
        status: Status = (
            "completed" if failure is None else "interrupted" if interrupted else "failed"
        )
        losses = {"loss_first": self._rows.first_loss, "loss_final": self._rows.final_loss}
        numbers = {
            **{name: loss for name, loss in losses.items() if loss is not None},
            **self._rows.last,
            **finite(result),
        }
        saved = 0 if self._newest is None else self._newest.step
        step = int(numbers.pop("step", max(self._rows.step, saved)))
        seconds, began = self._account.seconds, self._from.step if self._from else 0
        checkpoint = self._store.newest_valid() if status == "completed" else self._newest
        return Ending(
            key=order.key,
            name=order.name,
            status=status,
            step=step,
            target_step=order.target_step,
            attempts=self._number,
            seconds=total_seconds(uses_of(layout.account_path.read_bytes())),
            started=self._started,
            ended=now(),
            failure=failure,
            numbers=numbers,
            about={name: each for name, each in result.items() if isinstance(each, str)},
            checkpoint=reference_to(layout, checkpoint),
            samples=samples_of(layout),
            attempt_seconds=round(seconds, 3),
            steps_per_second=(step - began) / seconds if step > began and seconds > 0 else None,
            device=self._device,
            gpu=self._call.rented.gpu,
            python=platform.python_version(),
            platform=f"{sys.platform} {platform.machine()}",
            log_tail=tuple(self._log.said()[-5:]) if status == "failed" else (),
        ).judged(order.gates)
