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
from training.data.origin import Origin, dataset_name, origin_of
from training.data.shard import (
    IMAGES_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    DatasetManifest,
    Skipped,
    content_digest,
    dataset_directory,
    read_manifest,
)
from training.errors import DatasetError
from training.store.durable import (
    disk_errors,
    remove_abandoned,
    replace_directory,
    sha256_of,
    temporary_directory,
    write_whole,
)

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
    """Prepare the photos of `source` at ``<volume>/datasets/<name>``; nothing if it is current.

    Args:
        source: None or ``synthetic`` for drawn cats, ``pets`` for the Oxford-IIIT cats, or a
            folder: a folder per breed, ``Breed_123.jpg``, or photos without labels.
        volume_root: Root of the volume.
        image_size: Pixels along a side.
        progress: Called with a word, what is done and what there is to do.
        archive: Where the pets are downloaded from.
        clock: Says when.

    Returns:
        The manifest; files that are no usable photos are in it, each with its reason.

    Raises:
        DatasetError: No such folder, no usable photo in it, or no network.
        DiskFull: There is no room; what was there before is untouched.
    """
    origin = origin_of(source)
    name = dataset_name(source, image_size)
    final = dataset_directory(volume_root, name)
    before = read_manifest(volume_root, name)
    if before is not None and _still_good(before, origin, final):
        return before
    gathered = _gather(origin, volume_root, image_size, archive, progress)
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(final.parent)
        with temporary_directory(final.parent, name) as temporary:
            manifest = _write(temporary, name, origin, gathered, clock())
            replace_directory(temporary, final)
    return manifest


def _still_good(manifest: DatasetManifest, origin: Origin, directory: Path) -> bool:
    return (
        (manifest.kind, manifest.source) == (origin.kind, origin.name)
        and all((directory / file).is_file() for file in manifest.sha256)
        and manifest.source_fingerprint == origin.fingerprint()
    )


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

        folder = fetch_cats(volume_root / "downloads", archive=archive, progress=progress)
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


def _write(
    directory: Path, name: str, origin: Origin, gathered: _Gathered, now: datetime
) -> DatasetManifest:
    import numpy as np  # noqa: PLC0415

    classes = tuple(sorted(set(gathered.breeds)))
    numbers = {breed: number for number, breed in enumerate(classes)}
    labels = np.array([numbers[breed] for breed in gathered.breeds], dtype=np.int64)
    for file, content in ((IMAGES_FILE, gathered.images), (LABELS_FILE, labels)):
        with (directory / file).open("wb") as out:
            # np.save would report a full disk without its error number.
            np.lib.format.write_array_header_1_0(
                out, np.lib.format.header_data_from_array_1_0(content)
            )
            out.write(content.data)
            out.flush()
            os.fsync(out.fileno())
    manifest = DatasetManifest(
        name=name,
        kind=origin.kind,
        label="SYNTHETIC" if origin.kind == "synthetic" else "",
        source=origin.name,
        source_fingerprint=gathered.fingerprint,
        image_size=gathered.images.shape[1],
        images=len(labels),
        classes=classes,
        skipped=gathered.skipped,
        digest=content_digest(gathered.images, labels, classes),
        sha256={file: sha256_of(directory / file) for file in (IMAGES_FILE, LABELS_FILE)},
        created=now.isoformat(timespec="seconds"),
    )
    write_whole(directory / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
    return manifest


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
