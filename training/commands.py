"""What each command of `python -m training` does."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from training.compute.local import LocalCompute
from training.compute.port import Compute
from training.data import shard
from training.data.prepare import prepare
from training.declare.data import verify_data
from training.errors import CheckpointError, ConfigError, DatasetError, FailureClass
from training.judge.gates import verdicts_of
from training.key_parts import spec_of
from training.learn.config import resolve
from training.store.adjustments import adjustments_of, read_adjustments
from training.store.directory import (
    TrainingDirectory,
    dataset_digests,
    dataset_name,
    trainings,
)
from training.store.lock import holding
from training.store.migrate import migrate
from training.store.result import Result
from training.store.retention import execute, pin, pins, plan_prune, policy_of
from training.store.spec import Spec
from training.store.volume import LocalVolume
from training.track.tracking import require

EXIT_OK, EXIT_FAILED, EXIT_RESOURCE, EXIT_INTERRUPTED = 0, 1, 3, 75


def open_volume(volume: Path) -> None:
    """Bring a volume of an earlier layout to that of now, and say so.

    Raises:
        ConfigError: A training of the earlier layout is running.
    """
    if migrate(volume):
        sys.stderr.write(f"{volume} was of an earlier layout and is migrated\n")


def train_command(options: Namespace) -> int:
    """Train a key of the volume, or one made from a preset and its changes."""
    if options.track:
        require(options.track)
    directory = TrainingDirectory.local(options.volume, options.key or _new_training(options))
    _spec(directory)
    if options.key and options.settings:
        raise ConfigError(
            f"the settings of {options.key} are on the volume and cannot be changed",
            fix="leave out the settings, or leave out --key to make another training",
        )
    # Only the first of several processes (torchrun) holds the lock.
    first = _rank() == 0
    with holding(directory, options.lock_fd) if first else nullcontext():
        from training.script.train import train  # noqa: PLC0415 - imports torch

        asked = {"deadline_seconds": options.deadline, "track": options.track}
        execution = adjustments_of(read_adjustments(directory)).model_copy(
            update={name: value for name, value in asked.items() if value is not None}
        )
        attempts = directory.attempts
        result = train(options.volume, directory.key, execution=execution)
        if first and directory.attempts == attempts:
            _say(f"{directory.key} is finished already, at step {result.step}; nothing is trained")
        return exit_code(result)


def exit_code(result: Result) -> int:
    """Return 0 for a training that reached its target and passed its gates."""
    if result.status == "interrupted":
        return EXIT_INTERRUPTED
    if result.failure is not None and result.failure.failure_class is FailureClass.RESOURCE:
        return EXIT_RESOURCE
    return EXIT_OK if result.passed else EXIT_FAILED


def prepare_command(options: Namespace) -> int:
    """Turn photos into a dataset on the volume."""
    manifest = prepare(options.source, options.volume, options.image_size)
    about = f"{manifest.images} images, {len(manifest.classes)} classes"
    _say(f"{manifest.name}: {about}, dataset {manifest.digest[:12]}")
    for skipped in manifest.skipped:
        _say(f"  skipped {skipped.file}: {skipped.reason}")
    return EXIT_OK


def list_command(options: Namespace) -> int:
    """Show the trainings of a volume and their checkpoints."""
    listed = [(each, spec) for each in _trainings(options.volume) if (spec := each.read_spec())]
    if not listed:
        _say(f"no training in {options.volume}; python -m training train --help says how to start")
    for directory, spec in listed:
        config, result = spec.settings, directory.read_result()
        state = LocalCompute(options.volume).status(directory.key).state
        about = f"{config.model} {config.preset}  {spec.label} {spec.data[:12]}"
        _say(f"{directory.key}  {about}  {state}")
        store = directory.store(spec)
        pinned = pins(store)
        for entry in store.entries():
            note = "  pinned" if entry.step in pinned else ""
            _say(f"  {entry.path.name}  {entry.bytes / 1e6:.1f} MB{note}")
        for gate in verdicts_of(config, result.metrics) if result and result.gates else ():
            verdict = "passed" if gate.passed else "FAILED"
            must = f"must be {gate.direction} {gate.threshold:.4g}"
            _say(f"  gate {gate.name} {verdict}: {gate.value:.4g} ({must})")
    return EXIT_OK


def verify_command(options: Namespace) -> int:
    """Compare every byte of checkpoints and datasets with what their manifests say."""
    if options.key:
        _spec(TrainingDirectory.local(options.volume, options.key))
    seen = damaged = 0
    for path, why in _damage(options.volume, options.key):
        seen, damaged = seen + 1, damaged + bool(why)
        _say(f"{path.relative_to(options.volume)}: {why or 'as written'}")
    if not seen:
        raise ConfigError(
            f"{options.volume} holds nothing to verify",
            fix="name the directory that holds datasets and checkpoints: --volume DIR",
        )
    return EXIT_FAILED if damaged else EXIT_OK


def _damage(volume: Path, key: str | None) -> Iterator[tuple[Path, str]]:
    """Give each checkpoint and dataset, with what is wrong with it; nothing for a whole one."""
    passed_over: list[tuple[Path, str]] = []
    for directory in _trainings(volume, key):
        spec = directory.read_spec()
        if spec is None:
            continue
        store = directory.store(spec)
        entries = store.entries(lambda path, why: passed_over.append((path, why)))
        for entry in entries:
            try:
                store.verify(entry)
            except CheckpointError as error:
                yield entry.path, error.message
            else:
                yield entry.path, ""
    yield from passed_over
    for digest in dataset_digests(LocalVolume(volume)) if key is None else ():
        path = volume / dataset_name(digest)
        try:
            if not verify_data(volume, digest):
                shard.verify(volume, digest)
        except DatasetError as error:
            yield path, error.message
        else:
            yield path, ""


def prune_command(options: Namespace) -> int:
    """Delete the checkpoints that the training's own policy does not keep."""
    directory = TrainingDirectory.local(options.volume, options.key)
    spec = _spec(directory)
    plan = plan_prune(directory.store(spec), policy_of(spec.settings))
    deleted = plan.delete if options.dry_run else execute(plan)
    word = "would delete" if options.dry_run else "deleted"
    for entry in deleted:
        _say(f"{word} {entry.path.name}")
    _say(f"{word} {len(deleted)} checkpoints, {plan.bytes / 1e6:.1f} MB; kept {len(plan.keep)}")
    return EXIT_OK


def pin_command(options: Namespace) -> int:
    """Keep a checkpoint whatever the policy says, or let it go again."""
    directory = TrainingDirectory.local(options.volume, options.key)
    kept = pin(directory.store(_spec(directory)), options.step, keep=not options.remove)
    listed = ", ".join(str(step) for step in sorted(kept)) or "none"
    _say(f"pinned steps of {directory.key}: {listed}")
    return EXIT_OK


def stop_command(options: Namespace) -> int:
    """Ask a running training to finish its step, save and end."""
    if _compute(options).stop(options.key):
        _say(f"{options.key} was asked to save and end")
        return EXIT_OK
    _say(f"{options.key} is not running")
    return EXIT_FAILED


def _compute(options: Namespace) -> Compute:
    """Where the training runs."""
    if options.compute == "local":
        return LocalCompute(options.volume)
    if options.compute == "loopback":
        from training.compute.loopback.client import find  # noqa: PLC0415 - not in the image

        if options.state is None or (plane := find(options.state.absolute())) is None:
            raise ConfigError(
                f"no control plane serves {options.state}", fix="--state .goap/loopback"
            )
        os.environ.update(plane.environment())
    from training.compute.modal.compute import ModalCompute  # noqa: PLC0415 - imports the modal client
    from training.compute.modal.volume import ModalVolume  # noqa: PLC0415 - likewise

    volume = os.environ.get("GOAP_MODAL_VOLUME", "goap-training")
    return ModalCompute(ModalVolume(volume), name=options.compute)


def export_command(options: Namespace) -> int:
    """Write the averaged weights of the newest checkpoint, with what is needed to use them."""
    from training.judge.export import export  # noqa: PLC0415 - imports torch

    directory = TrainingDirectory.local(options.volume, options.key)
    step = export(directory, options.out, _warn, average=options.average, step=options.step)
    _say(f"{options.out}: {options.average} of step {step}")
    return EXIT_OK


def sample_command(options: Namespace) -> int:
    """Draw cats with the averaged weights of the newest checkpoint."""
    from training.judge.export import draw, weights_of  # noqa: PLC0415 - imports torch

    directory = TrainingDirectory.local(options.volume, options.key)
    step = draw(
        weights_of(directory, _warn, step=options.step),
        options.out,
        count=options.count,
        seed=options.seed,
        label=options.label,
        guidance=options.guidance,
        steps=options.steps,
        sampler=options.sampler,
    )
    _say(f"{options.out}: {options.count} samples of step {step}")
    return EXIT_OK


def _new_training(options: Namespace) -> str:
    """Prepare the data, write the configuration of a new training and return its key."""
    pairs = [setting.partition("=") for setting in options.settings]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"{name} is no setting", fix="write it as NAME=VALUE")
    config = resolve(options.model, options.preset, {name: value for name, _, value in pairs})
    manifest = prepare(options.data, options.volume, config.image_size)
    spec = spec_of(config, manifest)
    TrainingDirectory.local(options.volume, spec.key).write_spec(spec)
    _say(f"training {spec.key} on {manifest.name} ({manifest.images} images)")
    return spec.key


def _spec(directory: TrainingDirectory) -> Spec:
    spec = directory.read_spec()
    if spec is None:
        raise ConfigError(
            f"no training {directory.key} in {directory.root}",
            fix=f"python -m training list --volume {directory.root}",
            code="training_missing",
        )
    return spec


def _trainings(volume: Path, key: str | None = None) -> list[TrainingDirectory]:
    return [each for each in trainings(LocalVolume(volume)) if key in (None, each.key)]


def _rank() -> int:

    return int(os.environ.get("RANK", "0"))


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
