"""Values made inert: nothing in a value can end a table, a fence, a region or a paragraph.

Templates print through `text` unless a filter below made the value `Safe`, so that forgetting to
escape is not possible.
"""

import json
import math
import re
import unicodedata

from agents.records.evidence.models import Number

__all__ = [
    "Safe",
    "clause",
    "code",
    "diagram_label",
    "number",
    "prose",
    "quantity",
    "quoted",
    "slug",
    "text",
]

_MOST_CHARACTERS = 600
_PLAIN_CODE = re.compile(r"[\w ./:@=,+#%()\[\]'\"!?;^-]+")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START = re.compile(r"^(?:([-+=#:])|(\d+)([.)]))")


class Safe(str):
    """Markdown that was made by this program and needs no escaping."""

    __slots__ = ()


def text(value: object) -> Safe:
    """``value`` as one line of plain text, whatever Markdown or HTML it holds."""
    if isinstance(value, Safe):
        return value
    flat = _one_line(str(value))
    flat = _SPECIAL.sub(lambda match: "\\" + match[0], _ENTITY.sub("&amp;", flat))
    flat = flat.replace("<", "&lt;").replace(">", "&gt;")
    return Safe(flat.replace("{{", r"\{\{").replace("{%", r"\{%").replace("{#", r"\{#"))


def prose(value: object) -> Safe:
    """``value`` as paragraphs of plain text; empty lines separate them."""
    paragraphs = re.split(r"\n\s*\n", str(value).replace("\r\n", "\n"))
    lines = [text(paragraph) for paragraph in paragraphs if paragraph.strip()]
    return Safe("\n\n".join(_BLOCK_START.sub(_escape_start, line) for line in lines))


def clause(value: object) -> Safe:
    """``value`` as it goes on after a comma: a first word in small letters, unless it is a name."""
    flat = str(text(value))
    name = flat[:1].isupper() and not flat[1:2].islower() and flat[1:2] != " "
    return Safe(flat if name else flat[:1].lower() + flat[1:])


def code(value: object) -> Safe:
    """``value`` in a code span where that is safe, else as plain text."""
    flat = _one_line(str(value))
    return Safe(f"`{flat}`") if _PLAIN_CODE.fullmatch(flat) else text(flat)


def number(value: float, exact: bool = False) -> Safe:
    """A number as people read it: whole numbers in full, others to six digits.

    >>> number(300000.0), number(1.87345192), number(float("nan"))
    ('300000', '1.87345', 'not a number')
    """
    if math.isnan(value):
        return Safe("not a number")
    if math.isinf(value):
        return Safe("infinite" if value > 0 else "minus infinite")
    if float(value).is_integer() and abs(value) < 1e15:
        return Safe(str(int(value)))
    return Safe(repr(float(value)) if exact else f"{value:.6g}")


def quantity(measured: Number) -> Safe:
    """A measured value with its unit."""
    shown = number(measured.value)
    return Safe(f"{shown} {text(measured.unit)}") if measured.unit else shown


def quoted(value: object) -> Safe:
    """``value`` as a quoted scalar of YAML (JSON strings are YAML)."""
    return Safe(json.dumps(_one_line(str(value)), ensure_ascii=False))


def diagram_label(value: object) -> Safe:
    """``value`` as a label of a mermaid node: letters, digits and a little punctuation."""
    flat = _one_line(str(value))
    return Safe(re.sub(r"[^\w .,:/()+-]", "", flat).strip()[:60].strip() or "untitled")


def slug(title: str) -> str:
    """``title`` as part of a file name.

    >>> slug("Zürich: promote `tiny` / v2!")
    'zurich-promote-tiny-v2'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    short = "-".join(words)[:60].rstrip("-")
    return short or "decision"


def _one_line(value: str) -> str:
    # control and format characters include line separators and the marks that reorder text
    kept = "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in value)
    flat = " ".join(kept.split())
    return flat if len(flat) <= _MOST_CHARACTERS else flat[: _MOST_CHARACTERS - 1] + "…"


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape_start(match: re.Match[str]) -> str:
    return f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}"
