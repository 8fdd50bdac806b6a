"""Checkpoints that are whole or do not exist.

A checkpoint is a directory ``step-00010000/`` of safetensors files, ``state.json`` and a
``manifest.json`` with the sha256 of each. It is written under a temporary name, synced, renamed.
Whatever is not proved by its manifest, or is of another training, is reported and passed over. No
pickle is ever read.

Importing this module imports neither torch nor safetensors.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
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
from training.store.fit import Tensors, check_fit
from training.store.manifest import (
    Arithmetic,
    CheckpointManifest,
    Entry,
    FileRecord,
    invalid,
    read_entry,
    verify_files,
)
from training.store.names import MANIFEST_FILE, STATE_FILE, STEP_PREFIX, step_name
from training.store.saved import add_saved, saved_manifests
from training.store.tensorfile import SUFFIX, hash_pieces, read_tensors, tensor_pieces, write_pieces

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CheckpointManifest",
    "CheckpointStore",
    "Entry",
    "FileRecord",
    "Restored",
]

Report: TypeAlias = Callable[[Path, str], None]

_REPLACED = ".old-"


@dataclass(frozen=True)
class Restored:
    """A checkpoint in memory: `tensors` by file stem and name, on the CPU, and the JSON `state`."""

    entry: Entry
    tensors: dict[str, dict[str, "Tensor"]]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one training.

    Args:
        root: Where they are.
        key: The training.
        data: Digest of the dataset that it learns from.
        clock: Says when.
    """

    def __init__(
        self,
        root: Path,
        key: str = "",
        data: str = "",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.root, self.key, self.data = root, key, data
        self._clock = clock

    def entries(self, report: Report | None = None) -> tuple[Entry, ...]:
        """Every directory with a manifest that holds together, by step; other bytes are not read.

        Args:
            report: Called with each directory that is passed over, and the reason.
        """
        found, saved = [], saved_manifests(self.root)
        for path in self._names(""):
            whole = path.is_dir() and not path.is_symlink()
            if path.name.startswith(".") or not (whole or path.name.startswith(STEP_PREFIX)):
                continue
            try:
                if not whole:
                    raise invalid(path, "it is a link or a file, not a directory")
                found.append(self._own(read_entry(path), saved))
            except CheckpointError as error:
                if report is not None:
                    report(path, error.message)
        return tuple(sorted(found, key=lambda entry: entry.step))

    def _own(self, entry: Entry, saved: frozenset[str]) -> Entry:
        """The checkpoint, when this training saved it.

        Raises:
            CheckpointError: It is of another training, or was changed since.
        """
        manifest = entry.manifest
        if manifest.format > 1 and manifest.training_key != self.key:
            raise invalid(entry.path, f"it is of training {manifest.training_key or 'unknown'}")
        if manifest.format > 1 and manifest.data != self.data:
            raise invalid(entry.path, f"it learned from dataset {manifest.data[:12]}, not ours")
        if entry.sha256 not in saved:
            raise invalid(entry.path, f"this training never saved its {MANIFEST_FILE}")
        return entry

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

    def restore(
        self,
        report: Report | None = None,
        *,
        limit: int | None = None,
        into: Tensors | None = None,
    ) -> Restored | None:
        """`clean`, `newest_valid` and `read`, in one pass over the bytes.

        Args:
            report: As for `newest_valid`.
            limit: Nothing newer than this step.
            into: Where the tensors are to go: one that does not fit is passed over.
        """
        self.clean()
        for entry in reversed(self.entries(report)):
            if limit is not None and entry.step > limit:
                continue
            try:
                tensors, state = self.read(entry)
                if into is not None:
                    check_fit(entry.path, tensors, into)
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
        names = [name for name in entry.manifest.files if name.endswith(SUFFIX)]
        stems = {name.removesuffix(SUFFIX): name for name in sorted(names)}
        chosen = stems if only is None else {stem: stems[stem] for stem in stems if stem in only}
        missing = sorted(set(only or ()) - set(stems))
        if missing:
            raise invalid(entry.path, f"it holds no {', '.join(missing)}")
        verify_files(entry, [*chosen.values(), STATE_FILE])
        tensors = {stem: read_tensors(entry.path / name) for stem, name in chosen.items()}
        state = json.loads((entry.path / STATE_FILE).read_text(encoding="utf-8"))
        if not isinstance(state, dict):
            raise invalid(entry.path, f"{STATE_FILE} holds no object")
        return tensors, state

    def write(
        self,
        step: int,
        tensors: Tensors,
        state: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
        *,
        arithmetic: Arithmetic | None = None,
        before_rename: Callable[[Path], None] | None = None,
    ) -> Entry:
        """Write the checkpoint of `step`; on return it is on the disk under its final name.

        Tensors must not change meanwhile. A checkpoint of the same step is replaced.

        Args:
            step: Optimizer steps done.
            tensors: File stem (``model``, ``ema``, ``optimizer``) -> tensor name -> tensor.
            state: Anything JSON.
            metrics: What is known of the model at this step; finite numbers only.
            arithmetic: How it was computed, which exact resume depends on.
            before_rename: Called with the complete temporary directory.

        Raises:
            DiskFull: There is no room; nothing is left behind, older checkpoints are untouched.
        """
        self.clean()
        with disk_errors(self.root), temporary_directory(self.root, step_name(step)) as temporary:
            files = _write_files(temporary, tensors, state)
            manifest = self._manifest(step, files, metrics or {}, arithmetic or Arithmetic())
            text = manifest.model_dump_json(indent=2) + "\n"
            write_whole(temporary / MANIFEST_FILE, text)
            entry = Entry(
                self.root / step_name(step), manifest, hashlib.sha256(text.encode()).hexdigest()
            )
            if before_rename is not None:
                before_rename(temporary)
            add_saved(self.root, step, entry.sha256)
            self._publish(temporary, entry.path)
        return entry

    def _manifest(
        self,
        step: int,
        files: dict[str, FileRecord],
        metrics: Mapping[str, float],
        arithmetic: Arithmetic,
    ) -> CheckpointManifest:
        import torch  # noqa: PLC0415

        return CheckpointManifest(
            training_key=self.key,
            data=self.data,
            step=step,
            metrics=dict(metrics),
            files=files,
            created=self._clock().isoformat(timespec="seconds"),
            **{**asdict(arithmetic), "torch": arithmetic.torch or torch.__version__},
        ).sealed()

    def clean(self) -> tuple[Path, ...]:
        """Remove what writers that died left behind; what a living one writes stays.

        Returns:
            The directories that were removed or put back.
        """
        done = []
        for path in self._names(TEMPORARY, _REPLACED):
            if path.is_dir() and not path.is_symlink():  # a link is never followed
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

    def _names(self, *beginnings: str) -> list[Path]:
        """What lies below the root under names that begin so."""
        try:
            with os.scandir(self.root) as found:
                names = [item.name for item in found if item.name.startswith(beginnings)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.root / name for name in sorted(names)]

    def _publish(self, temporary: Path, final: Path) -> None:
        """Give the complete directory its final name."""
        aside = final.with_name(_REPLACED + final.name)
        if final.is_symlink() or final.is_file():
            final.unlink()  # nothing that was believed
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
    pieces = {f"{stem}{SUFFIX}": tensor_pieces(tensors[stem]) for stem in sorted(tensors)}
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
