"""The text of the files that begin a job, from the templates in ``templates/init/``."""

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from actions.init.declaration import Declaration, Setting

__all__ = ["job_text", "render"]

WIDTH = 88
"""What formatters of Python take for the longest line when nobody says another."""


def render(template: str, **values: Any) -> str:
    """A template of ``templates/init/``, filled in.

    Args:
        template: Its name, without ``.j2``.
        values: What it is filled in with.
    """
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "quoted": quoted,
        "listed": _listed,
        "field": _field,
        "command": _command,
        "comment": _comment,
    }
    text = resources.files("templates").joinpath(f"init/{template}.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(**values)


def job_text(declared: Declaration) -> str:
    """The job file of a declaration."""
    left_out = ", ".join(f"{flag} ({why})" for flag, why in declared.left_out)
    missing = ", ".join(declared.requirements.missing)
    return render(
        "job.py",
        declared=declared,
        fields=any(each.bounds or each.about for each in declared.settings),
        left_out=f"Left out, so that the script's own default holds: {left_out}",
        missing=f"installed nowhere here, so nobody knows which version: {missing}",
    )


def quoted(value: Any) -> str:
    """A value as Python writes it, texts in double quotes."""
    if not isinstance(value, str):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False)
    single = '"' in value and "'" not in value  # as formatters have it
    return "'" + text[1:-1].replace('\\"', '"') + "'" if single else text


def _call(before: str, items: Sequence[str], after: str, indent: int) -> str:
    """Items in brackets as formatters break them: one line, else the items on one, else each."""
    space = " " * indent
    line = f"{space}{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        return line
    inner = f"{space}    {', '.join(items)}"
    if len(inner) <= WIDTH:
        return f"{space}{before}\n{inner}\n{space}{after}"
    each = "".join(f"{space}    {item},\n" for item in items)
    return f"{space}{before}\n{each}{space}{after}"


def _listed(values: Sequence[str], name: str) -> str:
    """``name=[…],`` as a keyword of the declaration."""
    items = [quoted(value) for value in values]
    space = " " * 4
    line = f"{space}{name}=[{', '.join(items)}],"
    if len(line) <= WIDTH:
        return line
    each = "".join(f"{space}    {item},\n" for item in items)
    return f"{space}{name}=[\n{each}{space}],"


def _field(setting: Setting) -> str:
    """A field of the settings."""
    kind = setting.kind.__name__
    if setting.choices:
        kind = f"Literal[{', '.join(map(quoted, setting.choices))}]"
    default = [quoted(setting.default)]
    details = [setting.bounds] if setting.bounds else []
    details += [f"description={quoted(setting.about)}"] if setting.about else []
    head = f"{setting.name}: {kind}"
    if not details:
        return "    " + " = ".join([head, *default])
    return _call(f"{head} = Field(", [*default, *details], ")", 4)


def _command(words: Sequence[str]) -> str:
    """``command=…,`` with a line for each flag where one line is too short."""
    text = _joined(words)
    line = f"    command={quoted(text)},"
    if len(line) <= WIDTH:
        return line
    parts: list[list[str]] = [[]]
    for word in words:
        if word.startswith("-") and parts[-1]:
            parts.append([])
        parts[-1].append(word)
    pieces = [_joined(part) for part in parts]
    shown = [pieces[0], *(f" {piece}" for piece in pieces[1:])]
    each = "".join(f"        {quoted(piece)}\n" for piece in shown)
    return f"    command=(\n{each}    ),"


def _joined(words: Sequence[str]) -> str:
    """Words as one text that is split into them again; no shell reads it, so braces stay bare."""
    quotes = [f"'{word}'" if not word or set(word) & set(' \t"\\#') else word for word in words]
    return " ".join(quotes)


def _comment(text: str) -> str:
    """A text as comment lines of the declaration."""
    lines, line = [], "#"
    for word in text.split():
        if len(line) + len(word) + 1 > WIDTH - 4:
            lines.append(line)
            line = "#"
        line += f" {word}"
    return "\n".join(f"    {each}" for each in [*lines, line])
