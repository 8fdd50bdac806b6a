"""Data in a bucket: mounted where a training runs, and known by the version that was declared."""

import hashlib
import json
from dataclasses import KW_ONLY, dataclass

__all__ = ["Bucket"]


@dataclass(frozen=True)
class Bucket:
    """Data in a bucket of S3, Cloudflare R2 or Google Cloud, read where it is: nothing is copied.

    With ``compute=modal`` the bucket is mounted in the container, to be read only, and
    ``$GOAP_DATA_DIR`` is where. With ``compute=loopback`` a folder plays it. This machine mounts
    none, so ``compute=local`` is refused.

    Nobody can hash these bytes from here, so `version` says which they are: it is in the training
    key, with name, prefix and endpoint. Whoever changes what the bucket holds writes another
    version; under the same one a training that is finished stays finished.

    Attributes:
        name: Of the bucket, without ``s3://``.
        version: Which bytes are in it, in your words: a date, a tag, a digest.
        key_prefix: Only what begins with it is there, without it; it ends with ``/``.
        endpoint_url: Where the bucket is when it is not one of S3, such as
            ``https://ACCOUNT.r2.cloudflarestorage.com`` or ``https://storage.googleapis.com``.
        secret: Name of the platform's secret that opens it, with ``AWS_ACCESS_KEY_ID`` and
            ``AWS_SECRET_ACCESS_KEY``, or ``GOOGLE_ACCESS_KEY_ID`` and ``GOOGLE_ACCESS_KEY_SECRET``.
            The script does not get it. Empty: everybody may read the bucket.
        requester_pays: Whether the owner of the secret pays for what is read.
    """

    name: str
    _: KW_ONLY
    version: str
    key_prefix: str = ""
    endpoint_url: str = ""
    secret: str = ""
    requester_pays: bool = False

    @property
    def digest(self) -> str:
        """64 hex digits of what identifies the bytes; who pays and who may read is none of it."""
        content = {
            "bucket": self.name,
            "prefix": self.key_prefix,
            "endpoint": self.endpoint_url.rstrip("/"),
            "version": self.version,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """What a person calls the data.

        >>> Bucket("cats", version="2026-11", key_prefix="big/").label
        'bucket cats/big, version 2026-11'
        """
        return f"bucket {f'{self.name}/{self.key_prefix}'.rstrip('/')}, version {self.version}"
