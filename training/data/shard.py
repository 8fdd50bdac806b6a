"""The prepared dataset: one uint8 array of photos, one array of labels, one manifest.

A dataset is known by what it holds and how that was prepared; the folder's name is a label.

Importing this module imports no numpy; the functions that touch arrays do.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from training.data.origin import Kind
from training.errors import DatasetError
from training.store.directory import dataset_name
from training.store.durable import sha256_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "IMAGES_FILE",
    "LABELS_FILE",
    "MANIFEST_FILE",
    "Dataset",
    "DatasetManifest",
    "Kind",
    "Skipped",
    "content_digest",
    "dataset_digest",
    "load",
    "load_whole",
    "read_manifest",
    "verify",
]

IMAGES_FILE = "images.npy"
LABELS_FILE = "labels.npy"
MANIFEST_FILE = "manifest.json"
VALIDATION_SHARE = 0.1

PREPARATION = 1
"""Part of every digest: raise it when the way a photo becomes pixels changes."""


class Skipped(BaseModel):
    """A file that is not in the dataset, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    file: str
    reason: str


class DatasetManifest(BaseModel):
    """What a prepared dataset holds and where it came from.

    Attributes:
        name: What people call it: a label, which other datasets may have as well.
        label: ``SYNTHETIC`` where the photos are drawn; every output made of them says so.
        content: Digest of pixels, labels and names of classes.
        digest: Digest of the content and of how it was prepared: the dataset's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format: Literal[2] = 2
    name: str
    kind: Kind
    label: str = ""
    source: str
    source_fingerprint: str
    image_size: int
    images: int
    classes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    content: str
    digest: str
    sha256: dict[str, str]
    created: str


@dataclass(frozen=True)
class Dataset:
    """Photos and labels ready to sample from.

    `images` is uint8 [N, S, S, 3], mapped read-only from the file; `labels` int64 [N], each an
    index into `classes`. Photos without labels all belong to the one class ``cat``.
    """

    name: str
    kind: Kind
    content: str
    digest: str
    images: "npt.NDArray[np.uint8]"
    labels: "npt.NDArray[np.int64]"
    classes: tuple[str, ...]
    skipped: int = 0

    @property
    def synthetic(self) -> bool:
        """True when the photos are drawings; whatever is made of them has to say so."""
        return self.kind == "synthetic"

    @property
    def image_size(self) -> int:
        """Pixels along a side."""
        return int(self.images.shape[1])

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def split(self) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]":
        """Indices to train on and indices held out, the same for the same content.

        A tenth of each class is held out, and at least three photos of a class that has six: of
        twelve held-out photos no accuracy can be told from luck. A dataset of one photo is its
        own validation set.
        """
        import numpy as np  # noqa: PLC0415

        generator = np.random.Generator(np.random.PCG64(int(self.content[:16], 16)))
        held: list[npt.NDArray[np.int64]] = []
        for label in range(len(self.classes)):
            members = np.flatnonzero(self.labels == label).astype(np.int64)
            fewest = min(3, len(members) // 2)
            share = max(round(len(members) * VALIDATION_SHARE), fewest)
            held.append(generator.permutation(members)[:share])
        valid = np.sort(np.concatenate(held))
        train = np.setdiff1d(np.arange(len(self), dtype=np.int64), valid)
        return (train, valid) if len(valid) else (train, train)


def dataset_digest(
    content: str, kind: Kind, image_size: int, preparation: int = PREPARATION
) -> str:
    """64 hex digits of what a dataset holds and of how it was prepared."""
    parts = {"content": content, "kind": kind, "size": image_size, "preparation": preparation}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_manifest(root: Path, digest: str) -> DatasetManifest | None:
    """The manifest of a dataset; None where there is none, or it is not of this dataset.

    Args:
        root: Of the volume.
        digest: Of the dataset.
    """
    try:
        content = (root / dataset_name(digest) / MANIFEST_FILE).read_bytes()
        manifest = DatasetManifest.model_validate_json(content)
    except (OSError, ValidationError):
        return None
    return manifest if manifest.digest == digest else None


def load(root: Path, digest: str) -> Dataset:
    """The dataset of this digest, mapped from the volume; bytes are read as they are used.

    Raises:
        DatasetError: It is not there, or its files do not fit the manifest.
    """
    import numpy as np  # noqa: PLC0415

    directory = root / dataset_name(digest)
    manifest = read_manifest(root, digest)
    if manifest is None:
        raise DatasetError(
            f"dataset {digest[:12]} is not in {root}",
            fix=f"python -m training prepare FOLDER --volume {root}, with the photos as they were",
            code="dataset_missing",
        )
    try:
        images = np.load(directory / IMAGES_FILE, mmap_mode="r", allow_pickle=False)
        labels = np.load(directory / LABELS_FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(directory, str(error)) from error
    size = manifest.image_size
    if images.shape != (manifest.images, size, size, 3) or images.dtype != np.uint8:
        raise _damaged(directory, f"{IMAGES_FILE} holds {images.dtype} {images.shape}")
    if labels.shape != (manifest.images,) or labels.dtype != np.int64:
        raise _damaged(directory, f"{LABELS_FILE} holds {labels.dtype} {labels.shape}")
    return Dataset(
        name=manifest.name,
        kind=manifest.kind,
        content=manifest.content,
        digest=manifest.digest,
        images=images,
        labels=labels,
        classes=manifest.classes,
        skipped=len(manifest.skipped),
    )


def load_whole(root: Path, digest: str) -> Dataset:
    """As `load`, after every photo, label and class was compared with the digest.

    Raises:
        DatasetError: It is not there, or something in it was changed.
    """
    dataset = load(root, digest)
    content = content_digest(dataset.images, dataset.labels, dataset.classes)
    ways = range(1, PREPARATION + 1)
    own = {dataset_digest(content, dataset.kind, dataset.image_size, way) for way in ways}
    if content != dataset.content or digest not in own:
        directory = root / dataset_name(digest)
        raise _damaged(directory, "photos, labels or classes are not those of its digest")
    return dataset


def verify(root: Path, digest: str) -> DatasetManifest:
    """The manifest, after every byte of the dataset was read and compared with it.

    Raises:
        DatasetError: A file is missing or its checksum differs.
    """
    directory = root / dataset_name(digest)
    manifest = read_manifest(root, digest)
    if manifest is None:
        raise _damaged(directory, f"{MANIFEST_FILE} is missing, unreadable or of another dataset")
    for file, expected in sorted(manifest.sha256.items()):
        try:
            found = sha256_of(directory / file)
        except OSError as error:
            raise _damaged(directory, str(error)) from error
        if found != expected:
            raise _damaged(directory, f"{file} has sha256 {found[:12]}, not {expected[:12]}")
    load_whole(root, digest)
    return manifest


def content_digest(
    images: "npt.NDArray[np.uint8]", labels: "npt.NDArray[np.int64]", classes: tuple[str, ...]
) -> str:
    """64 hex digits of pixels, labels, classes and size; names and dates do not count."""
    digest = hashlib.sha256(f"{images.shape}{classes!r}".encode())
    digest.update(images.data.cast("B"))
    digest.update(labels.data.cast("B"))
    return digest.hexdigest()


def _damaged(directory: Path, why: str) -> DatasetError:
    return DatasetError(
        f"{directory} is damaged: {why}",
        fix=f"rm -r {directory} and prepare the data again",
        code="dataset_damaged",
    )
