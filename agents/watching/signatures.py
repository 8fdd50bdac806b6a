"""Whether a delivery comes from somebody who knows the shared secret.

Three proofs are known, each in a header of its own:

- ``X-Hub-Signature-256``: HMAC-SHA256 over the raw bytes of the body, as GitHub sends it.
- ``webhook-signature``: HMAC-SHA256 over id, time and body, as GitLab and others send it.
- ``X-Gitlab-Token``: the secret itself, which is all that an older GitLab can do.

With the first and the last, the id of a delivery is not part of what is signed, so somebody who
recorded a delivery could send it again under another id. What they would gain is one more look at
what is true: an event only prompts observing.

Sources: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries,
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md,
https://docs.gitlab.com/user/project/integrations/webhooks/.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping

__all__ = ["ID", "SIGNATURE", "STANDARD", "TIME", "TOKEN", "looks_signed", "signed", "verified"]

SIGNATURE = "X-Hub-Signature-256"
STANDARD, ID, TIME = "webhook-signature", "webhook-id", "webhook-timestamp"
TOKEN = "X-Gitlab-Token"  # noqa: S105 - the name of a header

TOLERANCE_SECONDS = 300.0
"""So far may the clock of a sender be from ours."""

_HUB = re.compile(r"sha256=[0-9a-f]{64}")
_VERSIONED = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_ENCODED = "whsec_"


def looks_signed(headers: Mapping[str, str]) -> bool:
    """Whether a proof is there at all: what has none is not worth reading."""
    if SIGNATURE in headers:
        return _HUB.fullmatch(headers[SIGNATURE]) is not None
    if STANDARD in headers:
        numbers = headers.get(TIME, "")
        return any(map(_VERSIONED.fullmatch, headers[STANDARD].split())) and numbers.isdecimal()
    return bool(headers.get(TOKEN))


def signed(
    secret: bytes,
    headers: Mapping[str, str],
    body: bytes,
    clock: Callable[[], float] = time.time,
) -> bool:
    """Whether the proof that is there is one, for these very bytes."""
    if SIGNATURE in headers:
        return verified(secret, body, headers[SIGNATURE])
    if STANDARD in headers:
        return looks_signed(headers) and _standard(secret, headers, body, clock())
    return _same(secret, _bytes(headers.get(TOKEN, "")))


def verified(secret: bytes, body: bytes, signature: str) -> bool:
    """Whether the signature is that of these very bytes; compared in constant time."""
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return _same(expected.encode(), _bytes(signature))


def _standard(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    said = headers[TIME]
    if abs(now - int(said[:18])) > TOLERANCE_SECONDS:
        return False
    content = b".".join((_bytes(headers.get(ID, "")), said.encode(), body))
    digest = hmac.new(_key(secret), content, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    return any(_same(expected, _bytes(each)) for each in headers[STANDARD].split())


def _key(secret: bytes) -> bytes:
    """The secret as it is, unless it says that it stands for other bytes."""
    text = secret.decode("utf-8", "replace")
    if not text.startswith(_ENCODED):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_ENCODED), validate=True)
    except binascii.Error:
        return secret


def _same(expected: bytes, given: bytes) -> bool:
    return hmac.compare_digest(expected, given)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
