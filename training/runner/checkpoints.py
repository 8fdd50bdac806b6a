"""The checkpoints of a script: sealed when they are whole, believed when every byte is as sealed.

A script writes one elsewhere and renames it, or says by a file in it that it is whole. The runner
then writes a ``goap-manifest.json`` into it: key, step, data, the sha256 of each file. The sha256
of that manifest is in ``saved.jsonl`` before: so a directory that was copied here from another
training, or was changed since, is not believed. One without a manifest is what a kill left between
the two, and is sealed by the next attempt.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from training.errors import CheckpointError
from training.runner.keep import Keep
from training.runner.order import Order
from training.runner.sealed import (
    Checkpoint,
    manifest_of,
    pins_in,
    seal_of,
    sealed_in,
    surplus_of,
)
from training.store.durable import TEMPORARY, sha256_of, sync_directory, write_whole
from training.store.layout import LocalLayout
from training.store.names import MANIFEST_FILE
from training.store.saved import Saved, add_saved, read_saved

__all__ = ["FORMAT", "Store", "pinned_steps", "verify"]

FORMAT: Final = 4
_STEP: Final = re.compile(r"\d+(?=\D*$)")
Report = Callable[[str, str], None]
Touched = dict[str, tuple[int, ...]]


def pinned_steps(path: Path) -> frozenset[int]:
    """The steps that somebody wants kept.

    Raises:
        CheckpointError: The file that holds them cannot be read, so nothing may go.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}",
            fix=f"rm {path}, then pin again what must stay",
            code="damaged_record",
        ) from error
    return pins_in(content, str(path))


class Store:
    """The checkpoints of one training.

    Args:
        order: Says where a script writes them, and when one is whole.
        layout: Where the training is.
    """

    def __init__(self, order: Order, layout: LocalLayout) -> None:
        self._order, self._layout = order, layout
        self._root = layout.saved_path.parent
        self._valid: dict[str, Touched] = {}

    def seal_new(
        self, metrics: Callable[[int], Mapping[str, float]], report: Report
    ) -> list[Checkpoint]:
        """Seal every whole checkpoint that has no manifest yet; those that were, by step.

        Args:
            metrics: What was measured up to a step.
            report: Told of one that cannot be sealed, and why.

        Raises:
            OSError: There is no room.
        """
        sealed = []
        saved = read_saved(self._root)
        for step, path in self._whole():
            if manifest_of(path, step, saved) is not None:
                continue
            try:
                sealed.append(self._seal(step, path, metrics(step)))
            except CheckpointError as error:
                report(path.name, error.message)
            except FileNotFoundError as error:
                report(path.name, f"it changed while it was read: {error.filename}")
        return sealed

    def entries(self, report: Report | None = None) -> list[Checkpoint]:
        """Every checkpoint whose manifest is ours and holds together, by step."""
        saved, entries = read_saved(self._root), list[Checkpoint]()
        if report is not None:
            for path in self._odd():
                report(path.name, "it is a link or a file, not a directory")
        for step, path in self._whole():
            try:
                entries.append(self._read(step, path, saved))
            except CheckpointError as error:
                if report is not None:
                    report(path.name, error.message)
        return entries

    def newest_valid(self, report: Report | None = None) -> Checkpoint | None:
        """The newest checkpoint whose every byte is as sealed; None without one."""
        for entry in reversed(self.entries(report)):
            try:
                verify(entry)
            except CheckpointError as error:
                if report is not None:
                    report(entry.path.name, error.message)
                continue
            return entry
        return None

    def prune(self, keep: Keep, report: Report | None = None) -> list[Checkpoint]:
        """Delete what is not kept, as `surplus` says; those that were deleted.

        One is renamed before it is emptied, so that nobody meets half of it.

        Raises:
            CheckpointError: What is pinned cannot be read, so nothing may go.
        """
        gone = self.surplus(keep, report=report)
        for entry in gone:
            discard(entry.path)
        return gone

    def surplus(
        self,
        keep: Keep,
        entries: Sequence[Checkpoint] | None = None,
        report: Report | None = None,
    ) -> list[Checkpoint]:
        """What is not kept; nothing is deleted.

        The newest valid one stays whatever the policy says, and what is pinned. One that is found
        damaged is neither the newest nor the best, and stays too: a person may want to look at it.

        Args:
            keep: The policy.
            entries: What there is, where that was read already.
            report: Told of one that is damaged, and why.

        Raises:
            CheckpointError: What is pinned cannot be read, so nothing may go.
        """
        believed = self.entries() if entries is None else entries
        pinned = pinned_steps(self._layout.pins_path)
        return surplus_of(believed, keep, pinned, lambda entry: self._is_valid(entry, report))

    def _is_valid(self, entry: Checkpoint, report: Report | None) -> bool:
        """Whether every byte is as sealed; read once, and again when a file was touched since."""
        try:
            touched = {name: _touched(entry.path / name) for name in entry.files}
            if self._valid.get(entry.sha256) != touched:
                verify(entry)
        except (OSError, CheckpointError) as error:
            if report is not None:
                report(entry.path.name, str(error))
            return False
        self._valid[entry.sha256] = touched
        return True

    def discard_unsealed(self, since: int) -> None:
        """Delete what a script saved since the step where it went wrong."""
        saved = read_saved(self._root)
        for step, path in self._whole():
            if step >= since and manifest_of(path, step, saved) is None:
                discard(path)

    def clear(self) -> None:
        """Remove what a kill left half deleted or half written under a temporary name."""
        for path in self._layout.path.glob(f"{TEMPORARY}*"):
            _remove(path)
        for path in self._root.glob(f"{TEMPORARY}*"):
            _remove(path)

    def _whole(self) -> list[tuple[int, Path]]:
        """Directories that a script called a checkpoint, by step."""
        declared, found = self._order.checkpoints, []
        for path in self._layout.path.glob(declared.pattern):
            number = _STEP.search(path.name)
            hidden = path.name.startswith(".") or path.is_symlink() or not path.is_dir()
            if number is None or hidden:
                continue
            if declared.complete and not (path / declared.complete).is_file():
                continue
            found.append((int(number[0]), path))
        return sorted(found)

    def _odd(self) -> list[Path]:
        """What has the name of a checkpoint and is none."""
        named = self._layout.path.glob(self._order.checkpoints.pattern)
        odd = (path for path in named if path.is_symlink() or not path.is_dir())
        return sorted(path for path in odd if _STEP.search(path.name) and path.name[0] != ".")

    def _seal(self, step: int, path: Path, metrics: Mapping[str, float]) -> Checkpoint:
        files: dict[str, dict[str, Any]] = {}
        touched: Touched = {}
        for each in _files(path):
            with each.open("rb") as file:
                os.fsync(file.fileno())
            name = each.relative_to(path).as_posix()
            touched[name] = _touched(each)
            files[name] = {"sha256": sha256_of(each), "bytes": each.stat().st_size}
        if not files:
            raise CheckpointError("there is nothing in it")
        for directory in {each.parent for each in _files(path)}:
            sync_directory(directory)
        content: dict[str, Any] = {
            "format": FORMAT,
            "training_key": self._order.key,
            "data": self._order.data,
            "step": step,
            "metrics": dict(metrics),
            "files": files,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps({**content, "seal": seal_of(content)}, indent=2, sort_keys=True) + "\n"
        self._root.mkdir(parents=True, exist_ok=True)
        add_saved(self._root, step, hashlib.sha256(text.encode()).hexdigest())
        write_whole(path / MANIFEST_FILE, text)
        entry = self._read(step, path, read_saved(self._root))
        self._valid[entry.sha256] = touched
        return entry

    def _read(self, step: int, path: Path, saved: Saved) -> Checkpoint:
        manifest = manifest_of(path, step, saved) or path / MANIFEST_FILE
        try:
            stored = manifest.read_bytes()
        except OSError as error:
            raise CheckpointError(f"no {manifest.name}: {error.strerror}") from error
        return sealed_in(stored, step, path, self._order, saved, manifest.name)


def verify(entry: Checkpoint) -> None:
    """Return when every file of a checkpoint is as it was sealed, byte for byte.

    Raises:
        CheckpointError: One is missing, has another length or another checksum.
    """
    for name, (sha256, size) in sorted(entry.files.items()):
        path = entry.path / name
        try:
            if (length := path.lstat().st_size) != size:
                raise CheckpointError(f"{name} has {length:,} bytes, not {size:,}")
            if (digest := sha256_of(path)) != sha256:
                raise CheckpointError(f"{name} has sha256 {digest[:12]}, sealed was {sha256[:12]}")
        except OSError as error:
            raise CheckpointError(f"{name}: {error.strerror}") from error


def _touched(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to a file, or puts another there."""
    seen = path.lstat()
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def discard(path: Path) -> None:
    """Delete a checkpoint so that nobody meets half of it."""
    doomed = path.with_name(f"{TEMPORARY}pruned-{path.name}-{os.getpid()}")
    with suppress(FileNotFoundError):
        path.rename(doomed)
        sync_directory(path.parent)
    _remove(doomed)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _files(path: Path) -> Iterable[Path]:
    """Every file of a checkpoint but its manifest; links are followed by nobody."""
    for each in sorted(path.rglob("*")):
        if each.is_symlink():
            raise CheckpointError(f"{each.relative_to(path)} is a link")
        if each.is_file() and each != path / MANIFEST_FILE and not each.name.startswith(TEMPORARY):
            yield each
