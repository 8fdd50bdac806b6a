"""What can be wrong in a declared bucket, as far as that can be seen without asking it."""

import re
from typing import TYPE_CHECKING, Final

from training.declare.place import DeclarationError
from training.runner.bucket import Bucket

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["check_bucket"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_ENDPOINT: Final = re.compile(r"https?://[^/\s]+/?")
_TEXTS: Final = ("name", "version", "key_prefix", "endpoint_url", "secret")


def check_bucket(training: "Training", bucket: Bucket) -> None:
    """Return when a bucket could be one.

    Raises:
        DeclarationError: It could not.
    """
    for field in _TEXTS:
        value: object = getattr(bucket, field)
        if not isinstance(value, str):
            raise _error(training, f"{field}={value!r} is no text", f'Bucket(…, {field}="…")')
    if not isinstance(bucket.requester_pays, bool):
        problem = f"requester_pays={bucket.requester_pays!r} is neither True nor False"
        raise _error(training, problem, "requester_pays=True, or leave it out")
    if not _NAME.fullmatch(bucket.name):
        problem = f"{bucket.name!r} is no name of a bucket"
        raise _error(training, problem, _split(bucket.name))
    if not bucket.version.strip():
        problem = "version= is empty, and nobody can hash the bytes of a bucket from here"
        raise _error(training, problem, 'say which they are: version="2026-11-24", or a digest')
    _check_access(training, bucket)


def _check_access(training: "Training", bucket: Bucket) -> None:
    prefix = bucket.key_prefix
    if prefix and (not prefix.endswith("/") or prefix.startswith("/")):
        problem = f"key_prefix={prefix!r} ends with / and does not begin with it"
        raise _error(training, problem, f"key_prefix={prefix.strip('/') + '/'!r}")
    if ".." in prefix.split("/"):
        problem = f"key_prefix={prefix!r}: a bucket has no folder above another"
        raise _error(training, problem, "write the whole prefix")
    if bucket.endpoint_url and not _ENDPOINT.fullmatch(bucket.endpoint_url):
        problem = f"endpoint_url={bucket.endpoint_url!r} is no address of a service"
        raise _error(training, problem, 'endpoint_url="https://ACCOUNT.r2.cloudflarestorage.com"')
    if bucket.requester_pays and not bucket.secret:
        problem = "requester_pays=True, and nobody is named who pays"
        raise _error(training, problem, 'secret="NAME", a secret of the platform')


def _split(name: str) -> str:
    """How an address or a path is written as a bucket."""
    first, _, rest = name.rpartition("://")[2].partition("/")
    if not _NAME.fullmatch(first):
        return 'its name alone, as where you keep it: Bucket("cats", version="1")'
    prefix = f', key_prefix="{rest.strip("/")}/"' if rest.strip("/") else ""
    return f'Bucket("{first}"{prefix}, …)'


def _error(training: "Training", problem: str, fix: str) -> DeclarationError:
    return training.place.error("data", f"data= of {training.name!r}: {problem}", fix)
