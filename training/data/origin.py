"""Where photos come from: a folder, the Oxford-IIIT pets, or the generator of drawn cats.

Importing this module imports neither numpy nor PIL.
"""

import hashlib
import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.data import archive, synthetic
from training.data.folder import fingerprint, printable
from training.errors import DatasetError

__all__ = ["Kind", "Origin", "label_of", "origin_of"]

Kind = Literal["folder", "pets", "synthetic"]


@dataclass(frozen=True)
class Origin:
    """A source as it was resolved; `name` is what a manifest calls it."""

    kind: Kind
    name: str
    folder: Path | None = None

    def identity(self, image_size: int) -> str:
        """16 hex digits of kind, folder and image size: where is kept what it was prepared as."""
        folder = "" if self.folder is None else printable(str(self.folder))
        text = json.dumps([self.kind, folder, image_size])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def fingerprint(self) -> str:
        """Changes when the photos may have changed; reads no photo.

        Raises:
            DatasetError: The folder is gone.
        """
        if self.folder is not None:
            return fingerprint(self.folder)
        return archive.SHA256 if self.kind == "pets" else f"synthetic-{synthetic.VERSION}"


def origin_of(source: str | Path | None) -> Origin:
    """What a source means: nothing or ``synthetic``, ``pets``, or the path of a folder.

    Raises:
        DatasetError: The path is empty.
    """
    if source is None or source == "synthetic":
        return Origin("synthetic", "synthetic")
    if source == "pets":
        return Origin("pets", "pets")
    if not str(source).strip():
        raise DatasetError(
            "the source of the photos is empty",
            fix="dataset=PATH of a folder, dataset=pets, or dataset=synthetic",
            code="dataset_no_source",
        )
    folder = Path(source)
    with suppress(RuntimeError):  # nobody has the home that is named: no such folder, then
        folder = folder.expanduser()
    folder = folder.resolve()
    return Origin("folder", printable(str(folder)), folder)


def label_of(source: str | Path | None, image_size: int) -> str:
    """What people call a source as a dataset of this size, such as ``catfaces64-32px``.

    A label names nothing: two folders may have the same one, and are two datasets.
    """
    origin = origin_of(source)
    if origin.folder is None:
        stem = {"pets": "oxford-pets", "synthetic": "synthetic-cats"}[origin.kind]
    else:
        name = unicodedata.normalize("NFC", printable(origin.folder.name)).lower()
        stem = re.sub(r"[\W_]+", "-", name).strip("-") or "photos"
    return f"{stem}-{image_size}px"
