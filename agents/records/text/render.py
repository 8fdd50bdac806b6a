"""Rendering: typed values through the templates of `templates`, in a sandbox, escaped by default.

A template may not change what it is given, may not use a name it was not given, and everything
it prints is made inert unless a filter made it `Safe`. The same values give the same bytes.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agents.errors import Permanent
from agents.records.text import markdown

__all__ = ["environment", "render"]


def render(template: str, values: Mapping[str, object], *, source: str | None = None) -> str:
    """The text of one region or document, without a line end at its end.

    Args:
        template: Name of the file in `templates`, without ``.md.j2``.
        values: What the template may use.
        source: Another text to use as the template, instead of the file.

    Raises:
        ActionFailed: The template uses a fact that is not there, or more than it may.
    """
    try:
        if source is not None:
            compiled = environment().from_string(source)
        else:
            compiled = environment().get_template(f"{template}.md.j2")
        return re.sub(r"\n{3,}", "\n\n", compiled.render(values)).strip("\n")
    except TemplateError as error:
        raise Permanent(
            f"the template {template} cannot be rendered: {error}",
            fix="a record is written only from facts of the ledger; correct the template",
            name="fact_missing",
        ) from error


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The one environment all records are rendered in."""
    sources = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in files("templates").iterdir()
        if entry.name.endswith(".j2")
    }
    made = ImmutableSandboxedEnvironment(
        loader=DictLoader(sources),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: `_finalize` escapes every value
    )
    made.filters.update(
        clause=markdown.clause,
        code=markdown.code,
        number=markdown.number,
        prose=markdown.prose,
        quantity=markdown.quantity,
        quoted=markdown.quoted,
        diagram_label=markdown.diagram_label,
    )
    # the filters of Jinja that make their input trusted have no place here
    for name in ("safe", "forceescape", "xmlattr", "urlize", "tojson"):
        made.filters.pop(name, None)
    made.globals.clear()
    return made


def _finalize(value: object) -> object:
    if isinstance(value, StrictUndefined):
        return value
    return markdown.text(value)
