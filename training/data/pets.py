"""The Oxford-IIIT Pet photos (https://www.robots.ox.ac.uk/~vgg/data/pets/), cats only.

The archive is downloaded in a way that can be interrupted at any byte, proved by its checksum
before it is opened, and unpacked with nothing outside its folder. File names of cats begin with a
capital letter, those of dogs do not. Importing this module imports nothing heavy.
"""

import http.client
import re
import shutil
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from training.data.archive import ARCHIVE, Archive
from training.errors import DatasetError, FailureClass
from training.store.durable import (
    NO_ROOM,
    disk_errors,
    replace_directory,
    sha256_of,
    temporary_directory,
)

__all__ = ["fetch_cats"]

_CAT = re.compile(r"(?:.*/)?[A-Z][^/]*_\d+\.jpg")
_PIECE = 1 << 20
_UNPACKED = "oxford-pets"


def fetch_cats(
    downloads: Path,
    *,
    archive: Archive = ARCHIVE,
    progress: Callable[[str, int, int], None] | None = None,
    timeout: float = 30.0,
) -> Path:
    """The folder of cat photos (``Breed_123.jpg``), downloaded and unpacked if it is not there.

    Args:
        downloads: Directory for the archive and for the photos.
        archive: Where it is and what it must be.
        progress: Called with a word, what is done and what there is to do.
        timeout: Seconds that the server may be silent.

    Raises:
        DatasetError: The server can't be reached (the next call continues), or sent another file.
        DiskFull: There is no room.
    """
    folder = downloads / _UNPACKED
    if folder.is_dir():
        return folder
    with disk_errors(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
        file = downloads / archive.url.rsplit("/", 1)[1]
        if not file.exists():
            _download(file, archive, progress, timeout)
        with temporary_directory(downloads, _UNPACKED) as temporary:
            _unpack(file, temporary)
            replace_directory(temporary, folder)
        file.unlink()
    return folder


def _download(
    file: Path,
    archive: Archive,
    progress: Callable[[str, int, int], None] | None,
    timeout: float,
) -> None:
    """Continue the partial file until it is whole; it gets its name once it is proved."""
    part = file.with_name(file.name + ".part")
    part.touch()
    before, error = -1, None
    # As long as each connection brings something, the next one is worth trying.
    while before < part.stat().st_size < archive.bytes:
        before, error = part.stat().st_size, None
        try:
            _receive(part, archive, progress, timeout)
        except (OSError, http.client.HTTPException) as caught:
            if isinstance(caught, OSError) and caught.errno in NO_ROOM:
                raise
            error = caught
    found = part.stat().st_size
    if found < archive.bytes:
        raise _unreachable(archive, error or f"it ended after {found:,} bytes") from error
    if found != archive.bytes or sha256_of(part) != archive.sha256:
        part.unlink()
        raise DatasetError(
            f"{archive.url} sent {found:,} bytes that are not the expected archive",
            fix="run the same command again; if it stays, the archive was changed: "
            "download photos yourself and give dataset=PATH",
            code="dataset_wrong_archive",
        )
    part.rename(file)


def _receive(
    part: Path,
    archive: Archive,
    progress: Callable[[str, int, int], None] | None,
    timeout: float,
) -> None:
    """Append what the server sends after the bytes that are there."""
    start = part.stat().st_size
    headers = {"Range": f"bytes={start}-"} if start else {}
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310 - constant address
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        continues = answer.status == http.client.PARTIAL_CONTENT
        with part.open("ab" if continues else "wb") as out:
            while piece := answer.read(_PIECE):
                out.write(piece)
                if progress is not None:
                    progress("download", out.tell(), archive.bytes)


def _unpack(file: Path, folder: Path) -> None:
    """The cats' photos, flat in `folder`."""
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or not _CAT.fullmatch(member.name):
                    continue
                # Only the bytes, under a name of ours: nothing else of an archive can be trusted,
                # and Python 3.11.2 knows no filter="data".
                with content, (folder / member.name.rsplit("/", 1)[-1]).open("xb") as photo:
                    shutil.copyfileobj(content, photo)
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(
            f"{file} cannot be unpacked: {error}",
            fix=f"rm {file} and run the same command again",
            code="dataset_wrong_archive",
        ) from error


def _unreachable(archive: Archive, error: Exception | str) -> DatasetError:
    reason = getattr(error, "reason", None) or error
    return DatasetError(
        f"{archive.url} cannot be downloaded: {reason}",
        fix="check the network and run the same command again (it continues where it stopped), "
        "or use dataset=PATH of a folder of photos, or dataset=synthetic",
        code="dataset_unreachable",
        failure_class=FailureClass.TRANSIENT,
    )
