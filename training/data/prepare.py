"""Turns a source of photos into one shard with a manifest; whole or not at all."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from training.data import synthetic
from training.data.archive import ARCHIVE, Archive
from training.data.decode import UnusablePhoto, decode, strict_decoding
from training.data.folder import Photo, listing
from training.data.origin import Origin, label_of, origin_of
from training.data.shard import (
    IMAGES_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    DatasetManifest,
    Skipped,
    content_digest,
    dataset_digest,
    verify,
)
from training.data.sources import fault_of, is_current, prepared_of, remember
from training.errors import DatasetError
from training.store.directory import dataset_name, downloads_name
from training.store.durable import (
    disk_errors,
    remove_abandoned,
    replace_directory,
    sha256_of,
    temporary_directory,
    write_whole,
)
from training.store.volume import LocalVolume

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["prepare"]

Progress = Callable[[str, int, int], None]
_AT_ONCE = 64  # photos in flight: enough to keep every core busy, small enough for large photos


@dataclass(frozen=True)
class _Gathered:
    images: "npt.NDArray[np.uint8]"  # [N, S, S, 3]
    breeds: tuple[str, ...]  # of each image
    skipped: tuple[Skipped, ...]
    fingerprint: str


def prepare(
    source: str | Path | None,
    volume_root: Path,
    image_size: int,
    *,
    progress: Progress | None = None,
    archive: Archive = ARCHIVE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> DatasetManifest:
    """Prepare the photos of `source` on the volume; nothing if what it was prepared as is current.

    Args:
        source: None or ``synthetic`` for drawn cats, ``pets`` for the Oxford-IIIT cats, or a
            folder: a folder per breed, ``Breed_123.jpg``, or photos without labels.
        volume_root: Root of the volume.
        image_size: Pixels along a side.
        progress: Called with a word, what is done and what there is to do.
        archive: Where the pets are downloaded from.
        clock: Says when.

    Returns:
        What the source was prepared as; files that are no usable photos are in it, each with its
        reason. Photos that another source holds as well are on the volume once.

    Raises:
        DatasetError: No such folder, no usable photo in it, or no network.
        DiskFull: There is no room; what was there before is untouched.
    """
    origin, volume = origin_of(source), LocalVolume(volume_root)
    before = prepared_of(volume, source, image_size)
    if before is not None and is_current(before, source) and not fault_of(volume, before):
        return before
    gathered = _gather(origin, volume_root, image_size, archive, progress)
    manifest = _described(label_of(source, image_size), origin, gathered, clock())
    with disk_errors(volume_root / dataset_name(manifest.digest)):
        there = _placed(volume_root, manifest, gathered)
        manifest = manifest.model_copy(update={"sha256": there.sha256})
        remember(volume, origin, manifest)
    return manifest


def _placed(root: Path, manifest: DatasetManifest, gathered: _Gathered) -> DatasetManifest:
    """The manifest of these photos as they are on the volume: written now, or there already."""
    final = root / dataset_name(manifest.digest)
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(final.parent)
    there = _whole(root, manifest.digest)
    if there is None:
        with temporary_directory(final.parent, manifest.digest[:16]) as temporary:
            there = _write(temporary, manifest, gathered)
            replace_directory(temporary, final)
    return there


def _whole(root: Path, digest: str) -> DatasetManifest | None:
    """The manifest of the very same photos, when they are on the volume already, every byte."""
    try:
        return verify(root, digest)
    except DatasetError:
        return None


def _gather(
    origin: Origin,
    volume_root: Path,
    image_size: int,
    archive: Archive,
    progress: Progress | None,
) -> _Gathered:
    if origin.kind == "synthetic":
        return _drawn(image_size, origin.fingerprint(), progress)
    folder = origin.folder
    if folder is None:
        from training.data.pets import fetch_cats  # noqa: PLC0415 - imports the network

        folder = fetch_cats(volume_root / downloads_name(), archive=archive, progress=progress)
    found = listing(folder)
    images, breeds, damaged = _decoded(found.photos, image_size, progress)
    skipped = [Skipped(file=file, reason=reason) for file, reason in found.skipped + damaged]
    if not breeds:
        raise _nothing(folder, skipped)
    fingerprint = found.fingerprint if origin.kind == "folder" else origin.fingerprint()
    return _Gathered(images, breeds, tuple(skipped), fingerprint)


def _drawn(image_size: int, fingerprint: str, progress: Progress | None) -> _Gathered:
    import numpy as np  # noqa: PLC0415

    total = len(synthetic.BREEDS) * synthetic.IMAGES_PER_BREED
    images: list[npt.NDArray[np.uint8]] = []
    breeds: list[str] = []
    for image, breed in synthetic.portraits(image_size):
        images.append(image)
        breeds.append(breed)
        if progress is not None:
            progress("draw", len(images), total)
    return _Gathered(np.stack(images), tuple(breeds), (), fingerprint)


def _decoded(
    photos: tuple[Photo, ...], size: int, progress: Progress | None
) -> tuple["npt.NDArray[np.uint8]", tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The usable photos in order, the breed of each, and the rest with reasons."""
    import numpy as np  # noqa: PLC0415

    images = np.empty((len(photos), size, size, 3), dtype=np.uint8)
    breeds: list[str] = []
    damaged: list[tuple[str, str]] = []

    def attempt(photo: Photo) -> "npt.NDArray[np.uint8] | str":
        try:
            return decode(photo.path, size)
        except UnusablePhoto as reason:
            return str(reason)

    with strict_decoding(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, (photo, result) in enumerate(_in_order(pool, attempt, photos), start=1):
            if isinstance(result, str):
                damaged.append((photo.name, result))
            else:
                images[len(breeds)] = result
                breeds.append(photo.breed)
            if progress is not None:
                progress("decode", done, len(photos))
    return images[: len(breeds)], tuple(breeds), tuple(damaged)


def _in_order(
    pool: ThreadPoolExecutor,
    work: "Callable[[Photo], npt.NDArray[np.uint8] | str]",
    photos: tuple[Photo, ...],
) -> "Iterator[tuple[Photo, npt.NDArray[np.uint8] | str]]":
    """Results in the order of the photos, a bounded number of them ahead of the reader."""
    rest = iter(photos)
    while group := tuple(islice(rest, _AT_ONCE)):
        yield from zip(group, pool.map(work, group), strict=True)


def _described(label: str, origin: Origin, gathered: _Gathered, now: datetime) -> DatasetManifest:
    """The manifest of what was gathered; its files are not written yet."""
    classes = tuple(sorted(set(gathered.breeds)))
    content = content_digest(gathered.images, _labels(gathered), classes)
    size = gathered.images.shape[1]
    return DatasetManifest(
        name=label,
        kind=origin.kind,
        label="SYNTHETIC" if origin.kind == "synthetic" else "",
        source=origin.name,
        source_fingerprint=gathered.fingerprint,
        image_size=size,
        images=len(gathered.breeds),
        classes=classes,
        skipped=gathered.skipped,
        content=content,
        digest=dataset_digest(content, origin.kind, size),
        sha256={},
        created=now.isoformat(timespec="seconds"),
    )


def _labels(gathered: _Gathered) -> "npt.NDArray[np.int64]":
    import numpy as np  # noqa: PLC0415

    numbers = {breed: number for number, breed in enumerate(sorted(set(gathered.breeds)))}
    return np.array([numbers[breed] for breed in gathered.breeds], dtype=np.int64)


def _write(directory: Path, manifest: DatasetManifest, gathered: _Gathered) -> DatasetManifest:
    """Write the files of a dataset; returns the manifest with their checksums."""
    import numpy as np  # noqa: PLC0415

    for file, content in ((IMAGES_FILE, gathered.images), (LABELS_FILE, _labels(gathered))):
        with (directory / file).open("wb") as out:
            # np.save would report a full disk without its error number.
            np.lib.format.write_array_header_1_0(
                out, np.lib.format.header_data_from_array_1_0(content)
            )
            out.write(content.data)
            out.flush()
            os.fsync(out.fileno())
    sha256 = {file: sha256_of(directory / file) for file in (IMAGES_FILE, LABELS_FILE)}
    written = manifest.model_copy(update={"sha256": sha256})
    write_whole(directory / MANIFEST_FILE, written.model_dump_json(indent=2) + "\n")
    return written


def _nothing(folder: Path, skipped: list[Skipped]) -> DatasetError:
    if skipped:
        first = f"; {len(skipped):,} files are not, such as {skipped[0].file}: {skipped[0].reason}"
    else:
        first = ": it is empty"
    return DatasetError(
        f"no usable photo in {folder}{first}",
        fix="give a folder with JPEG or PNG photos: dataset=PATH, or dataset=synthetic",
        code="dataset_no_photos",
    )
