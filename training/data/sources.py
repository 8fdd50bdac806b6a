"""What each source of photos was last prepared as: one manifest per source on the volume."""

from pathlib import Path

from pydantic import ValidationError

from training.data.origin import Origin, origin_of
from training.data.shard import MANIFEST_FILE, PREPARATION, DatasetManifest, dataset_digest
from training.store.directory import dataset_name, source_name
from training.store.volume import Volume

__all__ = ["fault_of", "is_current", "prepared_of", "remember"]


def prepared_of(
    volume: Volume, source: str | Path | None, image_size: int
) -> DatasetManifest | None:
    """What a source was last prepared as; None where it never was, or that cannot be read."""
    name = source_name(origin_of(source).identity(image_size))
    try:
        return DatasetManifest.model_validate_json(volume.read_bytes(name))
    except (FileNotFoundError, ValidationError):
        return None


def is_current(manifest: DatasetManifest, source: str | Path | None) -> bool:
    """True when `manifest` was made of `source` as it is now, in the way it is done now.

    Names, sizes and dates of files are compared; no photo is read.

    Args:
        manifest: Of a source.
        source: As for `training.data.prepare.prepare`.

    Raises:
        DatasetError: The folder is gone.
    """
    origin = origin_of(source)
    now = dataset_digest(manifest.content, manifest.kind, manifest.image_size, PREPARATION)
    return (manifest.kind, manifest.source, manifest.digest) == (
        origin.kind,
        origin.name,
        now,
    ) and (manifest.source_fingerprint == origin.fingerprint())


def fault_of(volume: Volume, manifest: DatasetManifest) -> str:
    """What is wrong with a dataset on the volume, in words; empty when its files are there.

    Only the manifest is read; `training.data.shard.verify` reads every byte.
    """
    directory = dataset_name(manifest.digest)
    there = set(volume.listdir(directory))
    gone = [name for name in (MANIFEST_FILE, *sorted(manifest.sha256)) if name not in there]
    if gone:
        return f"{', '.join(gone)} is gone from the volume"
    try:
        stored = DatasetManifest.model_validate_json(
            volume.read_bytes(f"{directory}/{MANIFEST_FILE}")
        )
    except (FileNotFoundError, ValidationError):
        return f"{MANIFEST_FILE} of dataset {manifest.digest[:12]} cannot be read"
    if (stored.digest, stored.sha256) != (manifest.digest, manifest.sha256):
        return f"{MANIFEST_FILE} of dataset {manifest.digest[:12]} is that of another one"
    return ""


def remember(volume: Volume, origin: Origin, manifest: DatasetManifest) -> None:
    """Keep what a source was prepared as."""
    name = source_name(origin.identity(manifest.image_size))
    volume.write_bytes(name, (manifest.model_dump_json(indent=2) + "\n").encode())
