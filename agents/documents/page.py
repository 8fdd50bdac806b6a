"""A Markdown page as what it quotes: commands, code, links and headings, each with its line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from agents.documents.shell import PLACEHOLDER, CommandLine, command_lines, inline_command

__all__ = ["CodeBlock", "Heading", "Page", "Quote", "read_page"]

SHELLS = ("bash", "sh", "shell", "zsh", "console", "shell-session", "shellsession", "terminal")
PYTHONS = ("python", "py", "python3", "pycon")
WORKFLOWS = ("yaml", "yml")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_GOAL = re.compile(r"<!--\s*docs check:\s*goal\s+(\w+)\s*([\w\s]*?)\s*-->")
_SWITCH = re.compile(r"<!--\s*docs check:\s*(on|off)\s*-->")
_PROMPT = re.compile(r"^\s*(?:\$|>|%)\s+")
_STEP = re.compile(r"^\s*(?:-\s+)?(?:run:\s*\|?\s*)?")
_HTML_TARGET = re.compile(r"<(?:a|img|source)\s[^>]*?(?:href|src)=[\"']([^\"']+)[\"']")


class Quote(NamedTuple):
    """A piece of text and its line."""

    line: int
    text: str


class Heading(NamedTuple):
    """A heading: line, level, text and the headings above it."""

    line: int
    level: int
    text: str
    above: tuple[str, ...]


class CodeBlock(NamedTuple):
    """A fenced block: line of its first line of text, language, text."""

    line: int
    language: str
    text: str


@dataclass
class Page:
    """What one page says.

    Attributes:
        silenced: Lines between ``<!-- docs check: off -->`` and ``on``, where a page quotes what
            is wrong on purpose.
        goals: Goal of the reader's own → the words it takes, as the page says in a comment:
            ``docs check: goal bread loaves``.
    """

    path: Path
    blocks: list[CodeBlock] = field(default_factory=list)
    spans: list[Quote] = field(default_factory=list)
    links: list[Quote] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    silenced: frozenset[int] = frozenset()
    goals: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def commands(self, programs: frozenset[str]) -> Iterator[CommandLine]:
        """Every command line: all of shell blocks, elsewhere those of ``programs``."""
        for block in self.blocks:
            yield from _commands_of(block, programs)
        for span in self.spans:
            if _starts_with(span.text, programs):
                yield from inline_command(span.text, span.line)

    def as_anybodys(self, command: CommandLine) -> CommandLine:
        """A command about a goal that only the reader has, as one about any goal.

        The words that the page says the goal takes are right, and left out.
        """
        goal = next((word[5:] for word in command.words if word.startswith("goal=")), "")
        if goal not in self.goals:
            return command
        taken = self.goals[goal]
        words = (word for word in command.words if word.partition("=")[0] not in taken)
        anybodys = f"goal={PLACEHOLDER}"
        return replace(
            command,
            words=tuple(anybodys if word.startswith("goal=") else word for word in words),
        )

    def python(self) -> list[CodeBlock]:
        """The blocks in Python."""
        return [block for block in self.blocks if block.language in PYTHONS]


def read_page(path: Path) -> Page:
    """The page at ``path``.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    lines = text.split("\n")
    page = Page(path, silenced=_silenced(lines), goals=_goals(text))
    # the front matter of a skill would read as a heading
    text = _FRONT_MATTER.sub(lambda match: "\n" * match[0].count("\n"), text)
    above: list[tuple[int, str]] = []
    previous: Token | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        start, end = token.map or (0, 0)
        if token.type in ("fence", "code_block"):
            first = start + (2 if token.type == "fence" else 1)
            words = token.info.split()
            language = words[0].lower() if words else ""
            page.blocks.append(CodeBlock(first, language, token.content))
        elif token.type == "html_block":
            page.links += [Quote(start + 1, each) for each in _HTML_TARGET.findall(token.content)]
        elif token.type == "inline":
            _read_inline(page, token, lines[start:end], start + 1)
            if previous is not None and previous.type == "heading_open":
                _read_heading(page, int(previous.tag[1:]), token.content, start + 1, above)
        previous = token
    return page


def _read_inline(page: Page, token: Token, lines: list[str], first: int) -> None:
    seen = 0
    for child in token.children or []:
        target = child.attrGet("href") or child.attrGet("src")
        text = child.content if child.type in ("code_inline", "html_inline") else str(target or "")
        if not text:
            continue
        head = text.split("\n")[0]
        places = [index for index, line in enumerate(lines) if index >= seen and head in line]
        seen = places[0] if places else seen
        if child.type == "code_inline":
            page.spans.append(Quote(first + seen, text))
        elif child.type == "html_inline":
            page.links += [Quote(first + seen, each) for each in _HTML_TARGET.findall(text)]
        else:
            page.links.append(Quote(first + seen, text))


def _read_heading(
    page: Page, level: int, text: str, line: int, above: list[tuple[int, str]]
) -> None:
    while above and above[-1][0] >= level:
        above.pop()
    page.headings.append(Heading(line, level, text, tuple(title for _, title in above)))
    above.append((level, text))


def _goals(text: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in _GOAL.findall(text)}


def _silenced(lines: list[str]) -> frozenset[int]:
    silent, silenced = False, set()
    for number, line in enumerate(lines, start=1):
        for word in _SWITCH.findall(line):
            silent = word == "off"
        if silent:
            silenced.add(number)
    return frozenset(silenced)


def _commands_of(block: CodeBlock, programs: frozenset[str]) -> Iterator[CommandLine]:
    if block.language in SHELLS:
        lines = block.text.split("\n")
        if any(_PROMPT.match(line) for line in lines):
            # a session: lines without a prompt are what was printed
            shown = [_PROMPT.sub("", line) if _PROMPT.match(line) else "" for line in lines]
            yield from command_lines("\n".join(shown), block.line)
        else:
            yield from command_lines(block.text, block.line)
    elif block.language in ("", *WORKFLOWS):
        for number, line in enumerate(block.text.split("\n")):
            bare = _PROMPT.sub("", line)
            bare = _STEP.sub("", bare) if block.language else bare
            if _starts_with(bare, programs):
                yield from command_lines(bare, block.line + number)


def _starts_with(text: str, programs: frozenset[str]) -> bool:
    words = text.removeprefix("$ ").split()
    return bool(words) and words[0].rpartition("/")[2] in programs
