"""A volume of the earlier layout, brought to this one where it lies.

::

    checkpoints/<model>/<key>/   →  trainings/<key>/checkpoints/, with its list of saved manifests
    trainings/<key>/config.json  →  trainings/<key>/spec.json
    trainings/<key>/result.json  →  trainings/<key>/verdict.json
    commits/<key>.json           →  trainings/<key>/commit.json
    datasets/<name>/             →  datasets/<digest>/, and what its source was prepared as

Each step can be done again, and what tells of the old layout goes last: whoever is killed between
two steps leaves a volume that the next one goes on with. Weights, photos and logs keep every byte.
"""

import fcntl
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.data.origin import Origin
from training.data.shard import MANIFEST_FILE, DatasetManifest, dataset_digest
from training.data.sources import remember
from training.errors import ConfigError
from training.learn.config import TrainingConfig
from training.runner.order import Order
from training.store import format1
from training.store.directory import TrainingDirectory, dataset_name
from training.store.durable import (
    TEMPORARY,
    directory_lock,
    sha256_of,
    sync_directory,
    write_whole,
)
from training.store.earlier import (
    CHECKPOINTS,
    COMMITS,
    CONFIG,
    DATASETS,
    RESULT,
    is_old,
    old_checkpoints,
    old_datasets,
    old_trainings,
    subdirectories,
)
from training.store.lock import is_held
from training.store.names import EARLIER_MANIFEST_FILE, step_name
from training.store.saved import add_saved, read_saved
from training.store.volume import LocalVolume

__all__ = ["migrate"]


def migrate(root: Path) -> bool:
    """Bring a volume to the layout of now; False where there is nothing to do.

    Raises:
        ConfigError: A training of the earlier layout is running.
    """
    if not is_old(root):
        return False
    with directory_lock(root, fcntl.LOCK_EX):
        running = [path.name for path in old_trainings(root) if is_held(path / "lock")]
        if running:
            raise ConfigError(
                f"training {running[0]} runs in {root}, which is of an earlier layout",
                fix="wait for its end, or stop it with the version that started it",
                code="volume_of_earlier_layout",
            )
        for path in old_trainings(root):
            _migrate_training(root, path)
        for path in old_checkpoints(root):
            _move_checkpoints(path, TrainingDirectory.local(root, path.name))
        for path in old_datasets(root):
            _migrate_dataset(root, path)
        for name in (*(path.name for path in subdirectories(root / CHECKPOINTS)), ""):
            _remove_empty(root / CHECKPOINTS / name)
        _remove_empty(root / COMMITS)
    return True


def _migrate_training(root: Path, path: Path) -> None:
    directory = TrainingDirectory.local(root, path.name)
    config, result = _json(path / CONFIG), _json(path / RESULT)
    order = _order(root, path.name, config or {}, result)
    if order is None:
        return  # it was never understood by anybody: it stays as it is, and is not listed
    if directory.read_order() is None:
        directory.write_order(order)
    before = f"{CHECKPOINTS}/{order.name}/{path.name}"
    if (root / before).is_dir():
        _move_checkpoints(root / before, directory)
    if result is not None:
        renamed = _renamed(result, before, directory)
        renamed["dataset"] = {**renamed.get("dataset", {}), "digest": order.data}
        write_whole(root / directory.result_name, json.dumps(renamed, indent=2) + "\n")
    commit = root / COMMITS / f"{path.name}.json"
    if (content := _json(commit)) is not None:
        write_whole(root / directory.commit_name, _commit(content, before, directory))
    for old in (commit, path / RESULT, path / CONFIG):
        old.unlink(missing_ok=True)
        if old.parent.is_dir():
            sync_directory(old.parent)


def _order(
    root: Path, key: str, stored: dict[str, Any], result: dict[str, Any] | None
) -> Order | None:
    """What was trained; the result says on which photos, those of the folder may be newer."""
    try:
        config = TrainingConfig.model_validate(stored["config"])
        label = str(stored["dataset"])
    except (KeyError, ValidationError):
        return None
    about = (result or {}).get("dataset") or _json(root / DATASETS / label / MANIFEST_FILE) or {}
    kind = about.get("kind", "folder")
    content = str(about.get("content") or about.get("digest") or "")
    digest = dataset_digest(content, kind, config.image_size) if content else ""
    settings = config.model_dump(mode="json")
    about = {"key": key, "parts": None, "settings": settings, "data": digest, "label": label}
    return format1.order_of(about)


def _move_checkpoints(path: Path, directory: TrainingDirectory) -> None:
    """Give the checkpoints of a training their place, with the list of those that are whole."""
    saved = read_saved(path).manifests
    for each in subdirectories(path):
        manifest = each / EARLIER_MANIFEST_FILE
        step = _sealed_step(manifest)
        if step is None or each.name != step_name(step):
            continue  # it was not believed before either
        if (sha256 := sha256_of(manifest)) not in saved:
            add_saved(path, step, sha256, EARLIER_MANIFEST_FILE)
    final = directory.checkpoints_path
    if final.exists():
        return  # somebody made it since: nothing is mixed with what was trained otherwise
    final.parent.mkdir(parents=True, exist_ok=True)
    path.rename(final)
    sync_directory(final.parent)
    sync_directory(path.parent)


def _sealed_step(manifest: Path) -> int | None:
    """The step of a checkpoint, as its manifest says it; None where that is damaged."""
    content = _json(manifest) or {}
    seal = content.pop("seal", None)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    if seal != hashlib.sha256(text.encode()).hexdigest():
        return None
    step = content.get("step")
    return step if isinstance(step, int) else None


def _renamed(value: Any, before: str, directory: TrainingDirectory) -> Any:
    """A record in which each path of a checkpoint is that of now."""
    if isinstance(value, str) and value.startswith(f"{before}/"):
        return directory.checkpoints_name + value.removeprefix(before)
    if isinstance(value, list):
        return [_renamed(each, before, directory) for each in value]
    if isinstance(value, dict):
        pairs = value.items()
        return {_renamed(k, before, directory): _renamed(v, before, directory) for k, v in pairs}
    return value


def _commit(commit: dict[str, Any], before: str, directory: TrainingDirectory) -> str:
    """The commit with the names of now, and the verdict's own hash in place of the result's."""
    renamed: dict[str, Any] = _renamed(commit, before, directory)
    files = dict(renamed.get("files", {}))
    verdict = directory.root / directory.result_name
    if files.pop(f"{directory.name}/{RESULT}", None) is not None and verdict.is_file():
        size = verdict.stat().st_size
        files[directory.result_name] = {"sha256": sha256_of(verdict), "bytes": size}
    return json.dumps({**renamed, "files": files}, indent=2) + "\n"


def _migrate_dataset(root: Path, path: Path) -> None:
    """Give a dataset the name of its digest; one that is there already is not kept twice."""
    stored = _json(path / MANIFEST_FILE)
    if stored is None:
        return  # it was prepared by nobody who came to the end
    content = str(stored.get("content") or stored.get("digest"))
    try:
        kind, size = stored["kind"], int(stored["image_size"])
        digest = dataset_digest(content, kind, size)
        about = {**stored, "format": 2, "content": content, "digest": digest}
        manifest = DatasetManifest.model_validate(about)
    except (KeyError, ValueError):
        return
    final = root / dataset_name(digest)
    if not final.exists():
        text = manifest.model_dump_json(indent=2) + "\n"
        write_whole(path / MANIFEST_FILE, text)
        remember(LocalVolume(root), _origin(manifest), manifest)
        path.rename(final)
    else:
        remember(LocalVolume(root), _origin(manifest), manifest)
        path.rename(path.with_name(f"{TEMPORARY}old-{path.name}-{secrets.token_hex(4)}"))
    sync_directory(final.parent)


def _origin(manifest: DatasetManifest) -> Origin:
    folder = Path(manifest.source) if manifest.kind == "folder" else None
    return Origin(manifest.kind, manifest.source, folder)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _remove_empty(path: Path) -> None:
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
