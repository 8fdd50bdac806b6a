"""What is mounted in a container, and where: the volume, and a bucket with data.

Imports the standard library, the modal client, and of ours what needs no more than that.
"""

import os
from pathlib import Path
from typing import Any, Final

import modal

from training.runner.bucket import Bucket

__all__ = ["bucket_of", "mounted", "mounted_bucket", "volumes"]

_VOLUME: Final = "/volume"
_BUCKET: Final = "/bucket"
"""Outside the volume: what is read there is no part of what is committed."""

_GOOGLE: Final = "storage.googleapis.com"
_KEYS: Final = {
    True: ("GOOGLE_ACCESS_KEY_ID", "GOOGLE_ACCESS_KEY_SECRET"),
    False: ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}
"""What a secret has to hold for a bucket of Google, and for any other (reference)."""


def volumes(volume: modal.Volume, bucket: Bucket | None = None) -> dict[str, Any]:
    """What a call asks for, by the path where it is mounted.

    Args:
        volume: Where it writes.
        bucket: Where it reads data; None: on the volume.
    """
    data = {} if bucket is None else {_BUCKET: bucket_of(bucket)}
    return {_VOLUME: volume, **data}


def bucket_of(bucket: Bucket) -> modal.CloudBucketMount:
    """A declared bucket as the platform mounts it; a secret that lacks the keys is refused."""
    secret = None
    if bucket.secret:
        keys = _KEYS[_GOOGLE in bucket.endpoint_url]
        secret = modal.Secret.from_name(bucket.secret, required_keys=list(keys))
    return modal.CloudBucketMount(
        bucket.name,
        bucket_endpoint_url=bucket.endpoint_url or None,
        key_prefix=bucket.key_prefix or None,
        secret=secret,
        read_only=True,
        requester_pays=bucket.requester_pays,
    )


def mounted() -> Path:
    """Where the volume is inside this container."""
    return _place(_VOLUME)


def mounted_bucket() -> Path:
    """Where the bucket is inside this container, if there is one."""
    return _place(_BUCKET)


def _place(mount: str) -> Path:
    # a container of the loopback control plane is a process, whose mounts lie below a directory
    return Path(os.environ.get("GOAP_CONTAINER_ROOT", "/"), mount.lstrip("/"))
