"""What a secret looks like: by the name of its variable, and by the text around it."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

__all__ = ["is_secret", "named_like_a_secret", "userinfo", "without_shapes"]

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_ALWAYS = re.compile(r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|DATABASE_?URL|PRIVATE_?KEY")
"""These say it wherever they stand in a name."""
_ENDS = re.compile(r"(?:KEYS?|PASS|PAT|AUTH|AUTHORIZATION|TOKENS?|DSN|PWD)\Z")
"""These say it at the end of a part of a name: ``GH_PAT`` and ``WANDB_APIKEY``, not ``PATH``."""
_HARMLESS = re.compile(r"(?:(?:MON|DON|TUR|HOC|WHIS|HOT)KEYS?|(?:BY|COM|SUR|TRES)PASS)\Z")
"""Words that end like that by chance."""
_NO_SECRETS = frozenset(("PWD", "OLDPWD", "GOAP_KEY"))
_SHORTEST = 6
"""Shorter values are words like ``true``; replacing those would destroy the text."""

_USERINFO = r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.\-]*://)(?P<who>[^\s/@\"'<>\\?#]+)@"
_URL = re.compile(_USERINFO)
_ASSIGNED = re.compile(
    r"""(?P<name>\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?P<to>\\?["']?\s*[=:]\s*\\?)"""
    r"""(?P<value>"[^"\n\\]+|'[^'\n\\]+|[^\s"',;&}\]\\]+)"""
)
_HEADER = re.compile(
    r"""(?i)(?P<name>\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:bearer|basic|token|digest)\s+)"""
    r"""(?P<value>[^\s"',;\\]+)"""
)


def named_like_a_secret(name: str) -> bool:
    """Whether the name of a variable, or of a key in a file, says that its value is secret.

    >>> [named_like_a_secret(name) for name in ("GH_PAT", "MYPASS", "PATH", "PATTERN", "AUTHOR")]
    [True, True, False, False, False]
    """
    if name.upper() in _NO_SECRETS:
        return False
    parts = "_".join(_WORD.findall(name)).upper().split("_")
    if _ALWAYS.search("_".join(parts)) or _ALWAYS.search(name.upper()):
        return True
    parts += re.split(r"[^A-Z0-9]+", name.upper())
    return any(_ENDS.search(part) and not _HARMLESS.match(part) for part in parts)


def is_secret(name: str, value: str) -> bool:
    """Whether this value of this name is one to hide: ``MAX_TOKENS=100000`` is a number.

    >>> is_secret("MAX_TOKENS", "100000"), is_secret("MYPASSWORD", "100000")
    (False, True)
    """
    if len(value.strip()) < _SHORTEST or not named_like_a_secret(name):
        return False
    said = name.upper()
    return not value.strip().isdecimal() or "PASS" in said or "SECRET" in said


def userinfo(value: str) -> Iterator[str]:
    """What in a URL says who one is: all of it, its password, and both without their quoting."""
    for found in _URL.finditer(value):
        who = found["who"]
        if _says_who(who):
            yield who
            yield unquote(who)
            _, _, word = who.partition(":")
            yield word
            yield unquote(word)


def _says_who(who: str) -> bool:
    """A name alone is none, as in ``ssh://git@example.org``; a token alone is long."""
    _, colon, word = who.partition(":")
    return bool(word) if colon else len(who) >= 16


def without_shapes(text: str, replacement: str) -> str:
    """``text`` without what stands where secrets do.

    That is before the ``@`` of a URL, behind ``Authorization:``, and behind a variable, written in
    capitals, that is named like a secret.

    >>> without_shapes("git clone https://me:abc123@example.org/x", "[secret]")
    'git clone https://[secret]@example.org/x'
    """
    if "://" in text:
        text = _URL.sub(
            lambda found: (
                f"{found['scheme']}{replacement}@" if _says_who(found["who"]) else found[0]
            ),
            text,
        )
    text = _HEADER.sub(lambda found: found["name"] + replacement, text)
    return _ASSIGNED.sub(lambda found: _hidden(found, replacement), text)


def _hidden(found: re.Match[str], replacement: str) -> str:
    value = found["value"]
    quote = value[:1] if value[:1] in "\"'" else ""
    bare = value[len(quote) :]
    # a variable of a shell, a place to fill in, and what was hidden already say nothing
    if bare[:1] in "$<[{…" or bare.startswith("...") or not is_secret(found["name"], bare):
        return found[0]
    return f"{found['name']}{found['to']}{quote}{replacement}"
