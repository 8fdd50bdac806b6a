"""`plans/INDEX.md`: all ADRs in a table and what supersedes what in a graph."""

import re
from collections.abc import Sequence

from agents.records.adr.documents import AdrDocument, plain_status
from agents.records.text.markdown import Safe
from agents.records.text.render import render

__all__ = ["NEW_INDEX", "index_body"]

NEW_INDEX = "# Decisions\n"

_NOT_IN_LINKS = str.maketrans("", "", "<>|\\\n\r")


def index_body(documents: Sequence[AdrDocument]) -> str:
    """The table and the graph; the graph shows only ADRs that supersede or are superseded."""
    edges = _edges(documents)
    shown = {number for edge in edges for number in edge}
    return render(
        "index",
        {
            "records": [_row(document) for document in documents],
            "nodes": [
                {"id": f"n{each.number}", "label": f"{each.label}: {_plain(each.title)}"}
                for each in _first_of_each_number(documents)
                if each.number in shown
            ],
            "edges": [(f"n{newer}", f"n{older}") for newer, older in edges],
        },
    )


def _edges(documents: Sequence[AdrDocument]) -> list[tuple[int, int]]:
    numbers = {document.number for document in documents}
    pairs = {(each.number, older) for each in documents for older in each.supersedes}
    pairs |= {(newer, each.number) for each in documents for newer in each.superseded_by}
    return sorted(pair for pair in pairs if set(pair) <= numbers)


def _first_of_each_number(documents: Sequence[AdrDocument]) -> list[AdrDocument]:
    return list({document.number: document for document in reversed(documents)}.values())[::-1]


def _row(document: AdrDocument) -> dict[str, object]:
    name = document.path.rpartition("/")[2]
    target = name if re.fullmatch(r"[\w.-]+", name) else f"<{name.translate(_NOT_IN_LINKS)}>"
    return {
        "link": Safe(f"[{document.label}]({target})"),
        "title": _plain(document.title),
        "status": _plain(plain_status(document.status)) or "not given",
        "date": document.date or "not given",
    }


def _plain(markdown: str) -> str:
    """A title or status as plain text: what Markdown escaped is unescaped before it is again."""
    plain = markdown
    for escaped in "\\`*[]|~$_{}#%":
        plain = plain.replace(f"\\{escaped}", escaped)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
