"""Files, anchors and headings that pages name."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from agents.documents.findings import Finding, nearest_word
from agents.documents.page import Page, Quote, read_page
from agents.documents.project import Project

__all__ = ["check_files", "check_headings", "check_links"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_PATH = re.compile(r"\.?[\w.-]+(?:/[\w.*-]+)+/?")
_NOT_A_NAME = re.compile(r"(?<![A-Za-z])(?:N{2,}|X{2,}|NAME|YYYY)(?![A-Za-z])")
SOURCES = (".py", ".md", ".toml", ".sh", ".yml", ".yaml", ".ipynb", ".j2", ".cfg", ".txt")
"""Endings of files a page means as files of the project."""


def check_links(page: Page, project: Project) -> Iterator[Finding]:
    """Links and pictures whose file or heading is not there."""
    for link in page.links:
        if _SCHEME.match(link.text):
            continue
        target, _, anchor = unquote(link.text).partition("#")
        base = project.root if target.startswith("/") else page.path.parent
        path = base / target.lstrip("/") if target else page.path
        if not path.exists():
            if not project.is_output(_relative(path, project.root)):
                near = _near_file(path)
                yield _finding(page, project, link, "link", f"there is no file {target}{near}")
        elif anchor and path.suffix == ".md":
            anchors = _anchors(page if path == page.path else read_page(path))
            if anchor.lower() not in anchors:
                near = nearest_word(anchor, anchors)
                yield _finding(page, project, link, "link", f"no heading {anchor!r}{near}")


def check_files(page: Page, project: Project) -> Iterator[Finding]:
    """Files in code spans, such as ``agents/ledger/store.py``, that are not there.

    A path is the project's when its first folder is there, or nearly, or when it ends like source.
    """
    for span in page.spans:
        path = span.text.strip()
        if not _PATH.fullmatch(path) or _NOT_A_NAME.search(path) or project.is_output(path):
            continue
        if any(any(base.glob(path)) for base in (project.root, page.path.parent)):
            continue
        first = path.partition("/")[0]
        ours = (project.root / first).exists() or path.endswith(SOURCES)
        if ours or _resembles(first, project.root):
            near = _near_file(project.root / path)
            yield _finding(page, project, span, "file", f"there is no file {path}{near}")


def check_headings(page: Page, project: Project) -> Iterator[Finding]:
    """Headings that stand twice under the same heading: a link can reach only one of them."""
    seen: dict[tuple[int, str, tuple[str, ...]], int] = {}
    for heading in page.headings:
        key = (heading.level, heading.text, heading.above)
        if key in seen:
            message = f"the heading of line {seen[key]} again"
            quote = Quote(heading.line, heading.text)
            yield _finding(page, project, quote, "heading", message)
        seen.setdefault(key, heading.line)


def _anchors(page: Page) -> set[str]:
    """The anchors GitHub gives the headings of a page."""
    anchors, count = set(), Counter[str]()
    for heading in page.headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.text).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        anchors.add(f"{slug}-{count[slug]}" if count[slug] else slug)
        count[slug] += 1
    return anchors


def _near_file(path: Path) -> str:
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    names = [each.name for each in parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"; did you mean {close[0]!r}?" if close else ""


def _resembles(name: str, folder: Path) -> bool:
    names = [each.name for each in folder.iterdir() if each.is_dir()]
    return bool(difflib.get_close_matches(name, names, n=1, cutoff=0.85))


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else ""


def _finding(page: Page, project: Project, quote: Quote, kind: str, message: str) -> Finding:
    return Finding(_relative(page.path, project.root), quote.line, kind, quote.text, message)
