"""What each command of `python -m training` does."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from training.compute.here import carried_here
from training.compute.local import LocalCompute
from training.compute.port import Compute
from training.data import shard
from training.data.prepare import prepare
from training.declare.data import verify_data
from training.errors import CheckpointError, ConfigError, DatasetError
from training.learn.config import resolve
from training.learn.presets import PRESETS
from training.own import in_processes, order_of, own_source
from training.runner.__main__ import exit_code
from training.runner.checkpoints import pinned_steps, verify
from training.runner.order import Order
from training.runner.signals import Stop
from training.store.directory import (
    TrainingDirectory,
    dataset_digests,
    dataset_name,
    trainings,
)
from training.store.lock import holding
from training.store.migrate import migrate
from training.store.retention import pin
from training.store.volume import LocalVolume
from training.track.following import following

EXIT_OK, EXIT_FAILED = 0, 1


def open_volume(volume: Path) -> None:
    """Bring a volume of an earlier layout to that of now, and say so.

    Raises:
        ConfigError: A training of the earlier layout is running.
    """
    if migrate(volume):
        sys.stderr.write(f"{volume} was of an earlier layout and is migrated\n")


def train_command(options: Namespace) -> int:
    """Train a key of the volume, or one made from a preset and its changes."""
    directory = TrainingDirectory.local(options.volume, options.key or _new_training(options))
    order = _order(directory)
    if options.key and options.settings:
        raise ConfigError(
            f"the settings of {options.key} are on the volume and cannot be changed",
            fix="leave out the settings, or leave out --key to make another training",
        )
    ending = directory.read_ending()
    if ending is not None and ending.status == "completed":
        ending = ending.judged(order.gates)
        _say(f"{directory.key} is finished already, at step {ending.step}; nothing is trained")
        return exit_code(ending)
    follower = following(options.track) if options.track else None
    with holding(directory.layout, options.lock_fd):
        # where each attempt goes on from, and what it does, is on the volume
        ours = order.name in PRESETS
        source = own_source() if ours else None
        order = in_processes(order, options.processes) if ours else order
        ending = carried_here(directory, order, source, Stop(options.deadline), follower)
    return exit_code(ending)


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
    listed = [(each, order) for each in _trainings(options.volume) if (order := each.read_order())]
    if not listed:
        _say(f"no training in {options.volume}; python -m training train --help says how to start")
    for directory, order in listed:
        state = LocalCompute(options.volume).status(directory.key).state
        words = (order.name, order.settings.get("preset"), "", order.label, order.data[:12])
        about = " ".join(str(word) for word in words if word is not None)
        _say(f"{directory.key}  {about.strip()}  {state}")
        pinned = pinned_steps(directory.layout.pins_path)
        for entry in directory.store(order).entries():
            note = "  pinned" if entry.step in pinned else ""
            _say(f"  {entry.path.name}  {entry.bytes / 1e6:.1f} MB{note}")
        ending = directory.read_ending()
        for gate in ending.judged(order.gates).gates if ending else ():
            verdict = "passed" if gate.passed else "FAILED"
            must = f"must be {gate.direction} {gate.threshold:.4g}"
            _say(f"  gate {gate.name} {verdict}: {gate.value:.4g} ({must})")
    return EXIT_OK


def verify_command(options: Namespace) -> int:
    """Compare every byte of checkpoints and datasets with what their manifests say."""
    if options.key:
        _order(TrainingDirectory.local(options.volume, options.key))
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
    for directory in _trainings(volume, key):
        order = directory.read_order()
        if order is None:
            continue
        passed_over: dict[str, str] = {}
        for entry in directory.store(order).entries(passed_over.__setitem__):
            try:
                verify(entry)
            except CheckpointError as error:
                yield entry.path, error.message
            else:
                yield entry.path, ""
        yield from ((directory.checkpoints_path / name, why) for name, why in passed_over.items())
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
    order = _order(directory)
    store = directory.store(order)
    deleted = store.surplus(order.keep) if options.dry_run else store.prune(order.keep)
    word = "would delete" if options.dry_run else "deleted"
    for entry in deleted:
        _say(f"{word} {entry.path.name}")
    size = sum(entry.bytes for entry in deleted)
    kept = len(store.entries()) - len(deleted) * options.dry_run
    _say(f"{word} {len(deleted)} checkpoints, {size / 1e6:.1f} MB; kept {kept}")
    return EXIT_OK


def pin_command(options: Namespace) -> int:
    """Keep a checkpoint whatever the policy says, or let it go again."""
    directory = TrainingDirectory.local(options.volume, options.key)
    store = directory.store(_order(directory))
    kept = pin(store, directory.layout, options.step, keep=not options.remove)
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
    order = order_of(config, manifest)
    TrainingDirectory.local(options.volume, order.key).write_order(order)
    _say(f"training {order.key} on {manifest.name} ({manifest.images} images)")
    return order.key


def _order(directory: TrainingDirectory) -> Order:
    order = directory.read_order()
    if order is None:
        raise ConfigError(
            f"no training {directory.key} in {directory.root}",
            fix=f"python -m training list --volume {directory.root}",
            code="training_missing",
        )
    return order


def _trainings(volume: Path, key: str | None = None) -> list[TrainingDirectory]:
    return [each for each in trainings(LocalVolume(volume)) if key in (None, each.key)]


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
