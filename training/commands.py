"""What each command of `python -m training` does."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from training.compute.local import Compute, LocalCompute
from training.data import shard
from training.data.prepare import prepare
from training.errors import CheckpointError, ConfigError, DatasetError, FailureClass
from training.key import source_digest, training_key
from training.learn.config import TrainingConfig, resolve
from training.store.adjustments import read_adjustments
from training.store.checkpoints import CheckpointStore
from training.store.lock import holding
from training.store.result import Result, TrainingDirectory
from training.store.retention import execute, pin, pins, plan_prune, policy_of
from training.track.tracking import require

EXIT_OK, EXIT_FAILED, EXIT_RESOURCE, EXIT_INTERRUPTED = 0, 1, 3, 75


def train_command(options: Namespace) -> int:
    """Train a key of the volume, or one made from a preset and its changes."""
    if options.track:
        require(options.track)
    directory = TrainingDirectory(options.volume, options.key or _new_training(options))
    _config(directory)
    if options.key and options.settings:
        raise ConfigError(
            f"the settings of {options.key} are on the volume and cannot be changed",
            fix="leave out the settings, or leave out --key to make another training",
        )
    # Only the first of several processes (torchrun) holds the lock.
    first = _rank() == 0
    with holding(directory, options.lock_fd) if first else nullcontext():
        from training.runner.train import train  # noqa: PLC0415 - imports torch

        asked = {"deadline_seconds": options.deadline, "track": options.track}
        execution = read_adjustments(directory).model_copy(
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
    _say(f"{manifest.name}: {manifest.images} images, {len(manifest.classes)} classes")
    for skipped in manifest.skipped:
        _say(f"  skipped {skipped.file}: {skipped.reason}")
    return EXIT_OK


def list_command(options: Namespace) -> int:
    """Show the trainings of a volume and their checkpoints."""
    found = [directory for directory in _trainings(options.volume) if directory.read_config()]
    if not found:
        _say(f"no training in {options.volume}; python -m training train --help says how to start")
    for directory in found:
        config, result = _config(directory), directory.read_result()
        state = LocalCompute(options.volume).status(directory.key).state
        _say(f"{directory.key}  {config.model} {config.preset}  {state}")
        store = CheckpointStore(directory.checkpoints_path(config.model))
        pinned = pins(store)
        for entry in store.entries():
            note = "  pinned" if entry.step in pinned else ""
            _say(f"  {entry.path.name}  {entry.bytes / 1e6:.1f} MB{note}")
        for gate in result.gates if result else ():
            verdict = "passed" if gate.passed else "FAILED"
            must = f"must be {gate.direction} {gate.threshold:.4g}"
            _say(f"  gate {gate.name} {verdict}: {gate.value:.4g} ({must})")
    return EXIT_OK


def verify_command(options: Namespace) -> int:
    """Compare every byte of checkpoints and datasets with what their manifests say."""
    if options.key:
        _config(TrainingDirectory(options.volume, options.key))
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
        config = directory.read_config()
        if config is None:
            continue
        store = CheckpointStore(directory.checkpoints_path(config.model))
        entries = store.entries(lambda path, why: passed_over.append((path, why)))
        for entry in entries:
            try:
                store.verify(entry)
            except CheckpointError as error:
                yield entry.path, error.message
            else:
                yield entry.path, ""
    yield from passed_over
    for path in sorted((volume / "datasets").glob("*")) if key is None else ():
        try:
            shard.verify(volume, path.name)
        except DatasetError as error:
            yield path, error.message
        else:
            yield path, ""


def prune_command(options: Namespace) -> int:
    """Delete the checkpoints that the training's own policy does not keep."""
    directory = TrainingDirectory(options.volume, options.key)
    plan = plan_prune(_store(directory), policy_of(_config(directory)))
    deleted = plan.delete if options.dry_run else execute(plan)
    word = "would delete" if options.dry_run else "deleted"
    for entry in deleted:
        _say(f"{word} {entry.path.name}")
    _say(f"{word} {len(deleted)} checkpoints, {plan.bytes / 1e6:.1f} MB; kept {len(plan.keep)}")
    return EXIT_OK


def pin_command(options: Namespace) -> int:
    """Keep a checkpoint whatever the policy says, or let it go again."""
    directory = TrainingDirectory(options.volume, options.key)
    kept = pin(_store(directory), options.step, keep=not options.remove)
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

    step = export(TrainingDirectory(options.volume, options.key), options.out, options.average)
    _say(f"{options.out}: {options.average} of step {step}")
    return EXIT_OK


def sample_command(options: Namespace) -> int:
    """Draw cats with the averaged weights of the newest checkpoint."""
    from training.judge.export import draw  # noqa: PLC0415 - imports torch

    directory = TrainingDirectory(options.volume, options.key)
    step = draw(
        directory,
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
    key = training_key(config, manifest.digest, source_digest())
    TrainingDirectory(options.volume, key).write_config(config, manifest.name)
    _say(f"training {key} on {manifest.name} ({manifest.images} images)")
    return key


def _config(directory: TrainingDirectory) -> TrainingConfig:
    config = directory.read_config()
    if config is None:
        raise ConfigError(
            f"no training {directory.key} in {directory.volume_root}",
            fix=f"python -m training list --volume {directory.volume_root}",
            code="training_missing",
        )
    return config


def _store(directory: TrainingDirectory) -> CheckpointStore:
    return CheckpointStore(directory.checkpoints_path(_config(directory).model))


def _trainings(volume: Path, key: str | None = None) -> Iterator[TrainingDirectory]:
    for path in sorted((volume / "trainings").glob(key or "*")):
        yield TrainingDirectory(volume, path.name)


def _rank() -> int:

    return int(os.environ.get("RANK", "0"))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
