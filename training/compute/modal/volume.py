"""A Modal Volume behind the `Volume` port, through the real client."""

import hashlib
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import modal
import modal.exception

from training.compute.modal.groups import groups_of, is_large
from training.compute.modal.parts import read_part
from training.compute.modal.patience import patient, wait_for_a_minute_at_most
from training.compute.modal.pieces import Sending
from training.compute.modal.refusals import modal_errors, no_such_environment, words_of
from training.store.volume import Found

__all__ = ["ModalVolume"]

REMEMBERED_BYTES = 1 << 20
"""A part of a file that is no larger is not asked for again while the file is the same."""

A_FILE = 1


class _Listed(Protocol):
    """A name inside a directory of a volume, as the client lists it."""

    @property
    def path(self) -> str:
        """Below the volume."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def mtime(self) -> int:
        """When it was written, in seconds since 1970."""

    @property
    def type(self) -> int:
        """1 for a file; others are directories and links."""


class _Look(threading.local):
    """What this thread has listed in its look; None between looks."""

    seen: dict[str, Sequence[_Listed]] | None = None

    def forget(self) -> None:
        """Something was written: what is seen from now on is listed anew."""
        if self.seen is not None:
            self.seen = {}


class ModalVolume:
    """A volume of the workspace, seen from a client; made when it is first used.

    A client sees what was committed and nothing else, and each of its writes is a commit.

    Args:
        name: The volume's name.
        environment: The workspace's environment; the default one when None.
    """

    def __init__(self, name: str, environment: str | None = None) -> None:
        self._name = name
        self._fetched: dict[str, tuple[tuple[int, int, int, int], bytes]] = {}
        self._look, self._finding = _Look(), threading.Lock()
        self._environment = environment
        wait_for_a_minute_at_most()
        self._named = modal.Volume.from_name(
            name, environment_name=environment, create_if_missing=True
        )

    @property
    def name(self) -> str:
        """The volume's name."""
        return self._name

    @property
    def handle(self) -> modal.Volume:
        """What a function mounts."""
        return self._named

    @property
    def local_root(self) -> Path | None:
        """None: it is not on this machine."""
        return None

    @contextmanager
    def look(self) -> Iterator[None]:
        """Within it each directory is listed once: what is seen is of one moment.

        It is this thread's alone, and one inside another is part of it.
        """
        outermost = self._look.seen is None
        if outermost:
            self._look.seen = {}
        try:
            yield
        finally:
            if outermost:
                self._look.seen = None

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        parent, _, name = _checked(path).rpartition("/")
        return name in self.listdir(parent)

    @patient
    def read_bytes(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        if self._is_seen_absent(path):
            raise FileNotFoundError(path)
        with modal_errors(f"reading {path} from volume {self._name}"):
            return b"".join(self._pieces(path))

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""
        entry = self._entry(path)
        return None if entry is None else int(entry.size)

    def read_range(self, path: str, start: int, length: int | None = None) -> bytes:
        """Bytes of a file from `start` on, or from its end; all of them or at most `length`.

        What is asked for again, of a file that has not changed, is answered from memory.

        Raises:
            FileNotFoundError: There is none.
        """
        entry = self._entry(path)
        if entry is None:
            raise FileNotFoundError(path)
        size = int(entry.size)
        begin = start if start >= 0 else max(0, size + start)
        # no further than what was listed: a file that grows is as long as it was in this look
        end = size if length is None else min(size, begin + length)
        if begin >= end:
            return b""
        asked = (size, int(entry.mtime), begin, end)
        fetched = self._fetched.get(path)
        if fetched is not None and fetched[0] == asked:
            return fetched[1]
        content = self._part(path, begin, end - begin)
        if len(content) <= REMEMBERED_BYTES:
            self._fetched[path] = (asked, content)
        return content

    def _found(self) -> modal.Volume:
        """The volume, looked up once however many threads want it first."""
        with self._finding:
            return self._volume.hydrate()

    @patient
    def _part(self, path: str, start: int, length: int) -> bytes:
        checked = _checked(path)
        with modal_errors(f"reading {path} from volume {self._name}"):
            try:
                return read_part(self._found(), checked, start, length)
            except modal.exception.NotFoundError as error:
                raise FileNotFoundError(path) from error

    @patient
    def write_bytes(self, path: str, content: bytes) -> None:
        """Replace a file in one step."""
        checked = _checked(path)
        self._look.forget()
        with (
            modal_errors(f"writing {path} to volume {self._name}"),
            self._volume.batch_upload(force=True) as batch,
        ):
            batch.put_file(io.BytesIO(content), "/" + checked)

    def listdir(self, path: str) -> list[str]:
        """Names inside a directory, sorted; empty where there is none."""
        return sorted(map(_name, self._entries(path)))

    def files(self, path: str) -> list[Found]:
        """Every file below a directory; none where there is no such directory."""
        listed = self._list(path, recursive=True)
        files = (each for each in listed if each.type == A_FILE)
        return sorted(Found(each.path.lstrip("/"), each.size, each.mtime) for each in files)

    @patient
    def remove(self, path: str) -> None:
        """Delete a file or a directory; nothing when it is not there."""
        checked, volume = _checked(path), self._volume
        self._look.forget()
        with modal_errors(f"deleting {path} from volume {self._name}"):
            try:
                volume.remove_file("/" + checked, recursive=True)
            except (FileNotFoundError, modal.exception.NotFoundError):
                return

    def upload(self, source: Path, path: str) -> None:
        """Copy the file or directory ``source / path`` of this machine to ``path``.

        In pieces, so that it takes as much memory however many files there are, and however large
        one is: a container joins what was cut. What was sent
        before an interruption is not sent again: the client asks for bytes by their digest. Files
        called as `groups.LAST` says come after all others: a directory with one is whole.
        """
        self._look.forget()
        for group in groups_of(source / _checked(path)):
            if is_large(group[0]):
                self._upload_large(group[0], group[0].relative_to(source).as_posix())
            else:
                self._upload(group, source)

    def _upload_large(self, file: Path, path: str) -> None:
        sending = Sending(self._volume, self._name, self._environment, self._sizes, self._put)
        with modal_errors(f"uploading {file} to volume {self._name}"):
            sending.send(file, path)
        self._look.forget()

    @patient
    def _put(self, file: Path, path: str) -> None:
        with (
            modal_errors(f"uploading to volume {self._name}"),
            self._volume.batch_upload(force=True) as batch,
        ):
            batch.put_file(file, "/" + path)

    def _sizes(self, path: str) -> dict[str, int]:
        self._look.forget()
        return {_name(each): int(each.size) for each in self._entries(path)}

    @patient
    def _upload(self, group: list[Path], source: Path) -> None:
        """One group; what the client holds of it is let go before the next."""
        with (
            modal_errors(f"uploading {group[0]} to volume {self._name}"),
            self._volume.batch_upload(force=True) as batch,
        ):
            for file in group:
                batch.put_file(file, "/" + file.relative_to(source).as_posix())

    def commit(self) -> None:
        """Nothing to do: a client's write is committed when it returns."""

    def reload(self) -> None:
        """Nothing to do: a client always sees the newest commit."""

    @patient
    def sha256(self, path: str) -> str:
        """Hex digest of a file, downloaded in pieces."""
        digest = hashlib.sha256()
        with modal_errors(f"reading {path} from volume {self._name}"):
            for piece in self._pieces(path):
                digest.update(piece)
        return digest.hexdigest()

    @property
    def _volume(self) -> modal.Volume:
        """The volume as the platform knows it.

        Raises:
            ConfigError: It is made where it is not: what is not there is the environment.
        """
        with modal_errors(f"looking for volume {self._name}"):
            try:
                return self._named.hydrate()
            except modal.exception.NotFoundError as error:
                raise no_such_environment(
                    f"looking for volume {self._name} in {self._place}: {words_of(error)}"
                ) from error

    @property
    def _place(self) -> str:
        named = self._environment or modal.config.config.get("environment")
        return f"environment {named}" if named else "the usual environment"

    def _entry(self, path: str) -> _Listed | None:
        parent, _, name = _checked(path).rpartition("/")
        entries = self._entries(parent)
        return next((each for each in entries if _name(each) == name), None)

    def _is_seen_absent(self, path: str) -> bool:
        """Whether this look has listed the directory already, and there was no such file."""
        parent, _, name = _checked(path).rpartition("/")
        listed = None if self._look.seen is None else self._look.seen.get(parent)
        return listed is not None and all(_name(each) != name for each in listed)

    def _entries(self, path: str) -> Sequence[_Listed]:
        seen = self._look.seen
        if seen is None:
            return self._list(path)
        if path not in seen:
            seen[path] = self._list(path)
        return seen[path]

    @patient
    def _list(self, path: str, *, recursive: bool = False) -> Sequence[_Listed]:
        checked = _checked(path)
        with modal_errors(f"listing {path or '/'} of volume {self._name}"):
            try:
                return self._found().listdir("/" + checked, recursive=recursive)
            except (FileNotFoundError, modal.exception.NotFoundError, NotADirectoryError):
                return []

    def _pieces(self, path: str) -> Iterator[bytes]:
        checked = _checked(path)
        try:
            yield from self._found().read_file(checked)
        except modal.exception.NotFoundError as error:
            raise FileNotFoundError(path) from error


def _name(entry: _Listed) -> str:
    return entry.path.rstrip("/").rsplit("/", 1)[-1]


def _checked(path: str) -> str:
    """A path without a mount prefix and without a way out."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} leaves the volume")
    return path
