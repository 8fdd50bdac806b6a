"""Where a person is told: a URL of apprise (mail, chat, push, a webhook), or a command."""

import importlib.util
import logging
import os
import shlex
import shutil
import subprocess
import warnings

from agents.errors import Transient, UsageError
from agents.ledger.redaction import hide_value, redact

__all__ = ["NOTIFY_VARIABLE", "Sender", "sender_of"]

NOTIFY_VARIABLE = "AGENTS_NOTIFY"
COMMAND_SECONDS = 30.0


class Sender:
    """Sends to one place; the secrets of its address are shown nowhere.

    Args:
        where: A URL of apprise, or a command: it gets the title as its last word, and the text on
            its standard input.

    Raises:
        UsageError: The package is not installed, or there is no such place or command.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._is_url = "://" in where
        if self._is_url:
            hide_value(where)
            _check_url(where)
        else:
            self._command = _words(where)

    def __call__(self, title: str, text: str) -> None:
        """Send it.

        Raises:
            Transient: It could not be sent.
        """
        title, text = redact(title), redact(text)
        if self._is_url:
            _by_apprise(self._where, title, text)
        else:
            _by_command(self._command, title, text)


def sender_of(where: str | None) -> Sender | None:
    """Who sends to ``notify=``, else to ``$AGENTS_NOTIFY``; None where neither is given.

    Raises:
        UsageError: The package is not installed, or there is no such place or command.
    """
    place = where or os.environ.get(NOTIFY_VARIABLE, "")
    return Sender(place) if place else None


def _check_url(where: str) -> None:
    if importlib.util.find_spec("apprise") is None:
        raise UsageError(
            "notify= with a URL needs the package apprise, which is not installed",
            fix="pip install 'goap-modal-agents[notify]'; or notify=COMMAND",
        )
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        # it imports all it can send to, of which some is old
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise  # noqa: PLC0415 - an extra

        is_known = apprise.Apprise().add(where)
    if not is_known:
        scheme = where.partition("://")[0]
        raise UsageError(
            f"notify={scheme}://… is no URL that apprise knows",
            fix="mailtos://USER:PASSWORD@HOST, ntfy://TOPIC, json://HOST: see its documentation",
        )


def _by_apprise(where: str, title: str, text: str) -> None:
    import apprise  # noqa: PLC0415 - an extra

    place = apprise.Apprise()
    place.add(where)
    if not place.notify(title=title, body=text):
        scheme = where.partition("://")[0]
        raise Transient(f"{scheme}://… did not take it", fix="the next run tries again")


def _words(where: str) -> list[str]:
    try:
        words = shlex.split(where)
    except ValueError as error:
        raise UsageError(f"notify= is no command: {error}", fix="notify='PROGRAM WORD…'") from None
    if not words or shutil.which(words[0]) is None:
        raise UsageError(
            f"notify= names no command and no URL: {where!r}", fix="notify='PROGRAM WORD…'"
        )
    return words


def _by_command(command: list[str], title: str, text: str) -> None:
    try:
        done = subprocess.run(
            [*command, title],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Transient(f"{command[0]}: {error}", fix="the next run tries again") from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-200:]
        raise Transient(f"{command[0]} ended with {done.returncode}: {said}", fix="try it by hand")
