"""Buckets: folders of this machine that play them."""

import shutil
from pathlib import Path

from modal_proto import api_pb2

from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Buckets"]


class Buckets:
    """Folders by the name of the bucket that they play.

    Args:
        store: Where that is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def play(self, name: str, folder: str) -> None:
        """Let a folder play a bucket from now on.

        Raises:
            ValueError: There is no such folder.
        """
        if not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}")
        self._store.put("bucket", name, folder)

    def check(self, definition: api_pb2.Function) -> None:
        """Return when each bucket that a function asks for is played by a folder.

        Raises:
            GRPCError: One is not.
        """
        for mount in definition.cloud_bucket_mounts:
            if self._store.get("bucket", mount.bucket_name) is None:
                raise not_found(f"Bucket {mount.bucket_name!r} does not exist")

    def mount(self, definition: api_pb2.Function, root: Path) -> None:
        """Bring the buckets of a function to where its container looks for them.

        One to be read only is a copy, so that whatever a script does there, the folder stays as it
        is. What is written to another is in the folder at once.
        """
        for mount in definition.cloud_bucket_mounts:
            place = root / mount.mount_path.lstrip("/")
            # a prefix under which there is nothing is an empty directory, as a bucket has no others
            source = Path(str(self._store.get("bucket", mount.bucket_name)), mount.key_prefix)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not mount.read_only:
                source.mkdir(parents=True, exist_ok=True)
                place.symlink_to(source, target_is_directory=True)
            elif source.is_dir():
                shutil.copytree(source, place)
                for path in place.rglob("*"):
                    if path.is_file():
                        path.chmod(0o444)
            else:
                place.mkdir()
