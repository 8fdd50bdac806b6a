"""A volume as one container sees it: a directory filled from a snapshot.

Commit looks for what changed since, by size and time of change, and publishes that. Reload brings
the directory to the newest snapshot.
"""

import os
import shutil
from pathlib import Path

from training.compute.loopback.refusal import precondition
from training.compute.loopback.volumes import File, Snapshot, Volumes

__all__ = ["MountedVolume"]


class MountedVolume:
    """A directory that follows a volume.

    Args:
        volumes: Where the volume is.
        identity: Which one.
        root: The directory; made here.
    """

    def __init__(self, volumes: Volumes, identity: str, root: Path) -> None:
        self._volumes = volumes
        self._identity = identity
        self._root = root
        self._base: Snapshot = {}
        self._seen: dict[str, tuple[int, int, int]] = {}  # path → inode, size, time in ns
        root.mkdir(parents=True, exist_ok=True)
        self._fill(volumes.snapshot(identity))

    def commit(self) -> None:
        """Publish what changed here since the last commit or reload."""
        now = self._scan()
        changed: Snapshot = {}
        for path, mark in now.items():
            if self._seen.get(path) == mark:
                continue
            digest, size = self._volumes.blobs.put_file(self._root / path)
            mode = (self._root / path).stat().st_mode & 0o777
            changed[path] = File(digest, size, mark[2] // 10**9, mode)
        deleted = [path for path in self._seen if path not in now]
        if changed or deleted:
            self._volumes.merge(self._identity, changed, deleted)
        self._base = {path: file for path, file in self._base.items() if path in now} | changed
        self._seen = now

    def reload(self, process: int) -> None:
        """See what others published; what was written here and not committed is given up.

        Raises:
            GRPCError: The process has a file of the volume open.
        """
        opened = self._open_files(process)
        if opened:
            raise precondition(
                f"there are open files preventing the operation: {', '.join(opened)}"
            )
        self._fill(self._volumes.snapshot(self._identity))

    def _fill(self, wanted: Snapshot) -> None:
        now = self._scan()
        for path in sorted(now.keys() - wanted.keys()):
            (self._root / path).unlink()
        for path, file in wanted.items():
            same = self._base.get(path) == file and now.get(path) == self._seen.get(path)
            if same and path in now:
                continue
            target = self._root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = target.with_name(f".{target.name}.arriving")
            shutil.copyfile(self._volumes.blobs.path(file.digest), scratch)
            scratch.chmod(file.mode)
            scratch.replace(target)
        self._base, self._seen = dict(wanted), self._scan()

    def _scan(self) -> dict[str, tuple[int, int, int]]:
        found = {}
        for directory, _, names in os.walk(self._root):
            for name in names:
                path = Path(directory, name)
                try:
                    stat = path.lstat()
                except FileNotFoundError:
                    continue  # a temporary file of the container, gone meanwhile
                mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                found[path.relative_to(self._root).as_posix()] = mark
        return found

    def _open_files(self, process: int) -> list[str]:
        """Files of the volume that the process has open; none where the system does not say."""
        found, root = [], str(self._root.resolve())
        try:
            handles = list(Path(f"/proc/{process}/fd").iterdir())
        except OSError:
            return []
        for handle in handles:
            try:
                target = str(handle.readlink())
            except OSError:
                continue
            if target.startswith(root + "/"):
                found.append(target.removeprefix(root))
        return sorted(found)
