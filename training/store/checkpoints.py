"""Checkpoints that are whole or do not exist.

A checkpoint is a directory ``step-00010000/`` of safetensors files, ``state.json`` and a
``manifest.json`` with the sha256 of each. It is written under a temporary name, synced, renamed.
Whatever is not proved by its manifest is reported and passed over. No pickle is ever read.

Importing this module imports neither torch nor safetensors.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from training.errors import CheckpointError
from training.store.durable import (
    IF_FREE,
    TEMPORARY,
    directory_lock,
    disk_errors,
    sync_directory,
    temporary_directory,
    write_whole,
)
from training.store.manifest import (
    MANIFEST_FILE,
    STATE_FILE,
    CheckpointManifest,
    Entry,
    FileRecord,
    invalid,
    read_entry,
    step_name,
    verify_files,
)
from training.store.tensorfile import hash_pieces, read_tensors, tensor_pieces, write_pieces

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MANIFEST_FILE",
    "STATE_FILE",
    "CheckpointManifest",
    "CheckpointStore",
    "Entry",
    "FileRecord",
    "Restored",
    "step_name",
]

Tensors: TypeAlias = Mapping[str, Mapping[str, "Tensor"]]
Report: TypeAlias = Callable[[Path, str], None]

_SUFFIX = ".safetensors"
_REPLACED = ".old-"


@dataclass(frozen=True)
class Restored:
    """A checkpoint in memory: `tensors` by file stem and name, on the CPU, and the JSON `state`."""

    entry: Entry
    tensors: dict[str, dict[str, "Tensor"]]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one training below `root` (``<volume>/checkpoints/<model>/<key>``)."""

    def __init__(
        self, root: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.root = root
        self._clock = clock

    def entries(self, report: Report | None = None) -> tuple[Entry, ...]:
        """Every directory with a manifest that holds together, by step; other bytes are not read.

        Args:
            report: Called with each directory that is passed over, and the reason.
        """
        found = []
        for path in self._directories():
            if path.name.startswith("."):
                continue
            try:
                found.append(read_entry(path))
            except CheckpointError as error:
                if report is not None:
                    report(path, error.message)
        return tuple(sorted(found, key=lambda entry: entry.step))

    def newest_valid(self, report: Report | None = None) -> Entry | None:
        """The newest checkpoint whose every byte is as written, or None.

        Args:
            report: Called with each damaged or foreign directory met, and the reason.
        """
        for entry in reversed(self.entries(report)):
            try:
                self.verify(entry)
            except CheckpointError as error:
                if report is not None:
                    report(entry.path, error.message)
                continue
            return entry
        return None

    def restore(self, report: Report | None = None, *, limit: int | None = None) -> Restored | None:
        """`clean`, `newest_valid` and `read`, in one pass over the bytes.

        Args:
            report: As for `newest_valid`.
            limit: Nothing newer than this step.
        """
        self.clean()
        for entry in reversed(self.entries(report)):
            if limit is not None and entry.step > limit:
                continue
            try:
                tensors, state = self.read(entry)
            except CheckpointError as error:
                if report is not None:
                    report(entry.path, error.message)
                continue
            return Restored(entry, tensors, state)
        return None

    def verify(self, entry: Entry) -> None:
        """Return when every byte of `entry` is as written.

        Raises:
            CheckpointError: A file is missing, shorter or longer, or its checksum differs.
        """
        verify_files(entry, entry.manifest.files)

    def read(
        self, entry: Entry, *, only: Collection[str] | None = None
    ) -> tuple[dict[str, dict[str, "Tensor"]], dict[str, Any]]:
        """The tensors (file stem -> name -> tensor, on the CPU) and the state, checksums compared.

        Tensors are private mappings of the files: copy them to where they are used.

        Args:
            entry: The checkpoint.
            only: File stems to read; all when None.

        Raises:
            CheckpointError: A file that was asked for is missing or not as written.
        """
        names = [name for name in entry.manifest.files if name.endswith(_SUFFIX)]
        stems = {name.removesuffix(_SUFFIX): name for name in sorted(names)}
        chosen = stems if only is None else {stem: stems[stem] for stem in stems if stem in only}
        missing = sorted(set(only or ()) - set(stems))
        if missing:
            raise invalid(entry.path, f"it holds no {', '.join(missing)}")
        verify_files(entry, [*chosen.values(), STATE_FILE])
        tensors = {stem: read_tensors(entry.path / name) for stem, name in chosen.items()}
        state = json.loads((entry.path / STATE_FILE).read_text(encoding="utf-8"))
        return tensors, state

    def write(
        self,
        step: int,
        tensors: Tensors,
        state: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
        *,
        dtype: str = "fp32",
        threads: int = 1,
        before_rename: Callable[[Path], None] | None = None,
    ) -> Entry:
        """Write the checkpoint of `step`; on return it is on the disk under its final name.

        Tensors must not change meanwhile. A checkpoint of the same step is replaced.

        Args:
            step: Optimizer steps done.
            tensors: File stem (``model``, ``ema``, ``optimizer``) -> tensor name -> tensor.
            state: Anything JSON.
            metrics: What is known of the model at this step; finite numbers only.
            dtype: Precision of the computation, which exact resume depends on.
            threads: CPU threads of the computation, which exact resume depends on.
            before_rename: Called with the complete temporary directory.

        Raises:
            DiskFull: There is no room; nothing is left behind, older checkpoints are untouched.
        """
        import torch  # noqa: PLC0415

        self.clean()
        with disk_errors(self.root), temporary_directory(self.root, step_name(step)) as temporary:
            files = _write_files(temporary, tensors, state)
            manifest = CheckpointManifest(
                step=step,
                metrics=dict(metrics or {}),
                files=files,
                created=self._clock().isoformat(timespec="seconds"),
                torch=torch.__version__,
                dtype=dtype,
                threads=threads,
            ).sealed()
            write_whole(temporary / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
            if before_rename is not None:
                before_rename(temporary)
            final = self.root / step_name(step)
            self._publish(temporary, final)
        return Entry(final, manifest)

    def clean(self) -> tuple[Path, ...]:
        """Remove what writers that died left behind; what a living one writes stays.

        Returns:
            The directories that were removed or put back.
        """
        done = []
        for path in self._directories():
            if path.name.startswith((TEMPORARY, _REPLACED)):
                with suppress(BlockingIOError, FileNotFoundError), directory_lock(path, IF_FREE):
                    self._clear(path)
                    done.append(path)
        return tuple(done)

    def _clear(self, path: Path) -> None:
        final = self.root / path.name.removeprefix(_REPLACED)
        if path.name.startswith(_REPLACED) and not final.exists():
            path.rename(final)  # its writer died between the two renames of a replacement
        else:
            shutil.rmtree(path, ignore_errors=True)

    def _directories(self) -> list[Path]:
        """The real directories below the root; a symbolic link is never followed."""
        try:
            with os.scandir(self.root) as found:
                names = [item.name for item in found if item.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return [self.root / name for name in sorted(names)]

    def _publish(self, temporary: Path, final: Path) -> None:
        """Give the complete directory its final name."""
        aside = final.with_name(_REPLACED + final.name)
        if not final.exists():
            temporary.rename(final)
            sync_directory(self.root)
            return
        with directory_lock(final, fcntl.LOCK_SH):
            final.rename(aside)
            temporary.rename(final)
            sync_directory(self.root)
            shutil.rmtree(aside, ignore_errors=True)


def _write_files(
    directory: Path, tensors: Tensors, state: Mapping[str, Any]
) -> dict[str, FileRecord]:
    """Write and hash all files at the same time; returns their records by name."""
    pieces = {f"{stem}{_SUFFIX}": tensor_pieces(tensors[stem]) for stem in sorted(tensors)}
    text = json.dumps(state, sort_keys=True, indent=1, allow_nan=False) + "\n"
    pieces[STATE_FILE] = [memoryview(text.encode())]
    sizes = {name: sum(piece.nbytes for piece in pieces[name]) for name in pieces}
    order = sorted(pieces, key=lambda name: (-sizes[name], name))
    # A thread to write and one to hash for each file: hashing uses the core while the disk works.
    with ThreadPoolExecutor(2 * len(order)) as pool:
        written = [pool.submit(write_pieces, directory / name, pieces[name]) for name in order]
        hashed = {name: pool.submit(hash_pieces, pieces[name]) for name in order}
        for writing in written:
            writing.result()
        return {
            name: FileRecord(sha256=hashed[name].result(), bytes=sizes[name])
            for name in sorted(order)
        }
