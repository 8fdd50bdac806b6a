"""Checking pages: every kind of quote with its judge, and one report."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.declare.contributions import Program
from agents.documents.apis import check_apis
from agents.documents.findings import Finding
from agents.documents.page import Page, read_page
from agents.documents.programs import Programs
from agents.documents.project import Project
from agents.documents.quoted_files import check_files, check_headings, check_links
from agents.documents.shell import CommandLine
from agents.errors import UsageError

__all__ = ["Report", "check_pages", "find_pages"]

SKIPPED = ("node_modules", "__pycache__", "build", "dist")
HIDDEN_PAGES = (".agents", ".github", ".claude")


@dataclass
class Report:
    """What was looked at, and what is wrong.

    Attributes:
        commands: Command lines that were parsed.
        unjudged: Those whose program nobody here knows, with page and line.
        silenced: Lines that pages exempt because they quote what is wrong on purpose.
    """

    pages: list[Path] = field(default_factory=list)
    commands: int = 0
    unjudged: list[tuple[str, int, str]] = field(default_factory=list)
    silenced: int = 0
    findings: list[Finding] = field(default_factory=list)


def check_pages(paths: Iterable[Path], project: Project, programs: Mapping[str, Program]) -> Report:
    """Check every page.

    Args:
        paths: Markdown files.
        project: What they belong to.
        programs: How a program is called, such as ``make`` or ``python -m agents`` → its judge.
    """
    report = Report()
    judges = Programs(project.root, programs)
    for path in paths:
        try:
            page = read_page(path)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}") from error
        report.pages.append(path)
        report.silenced += len(page.silenced)
        findings = [
            *_check_commands(page, judges, project, report),
            *check_links(page, project),
            *check_files(page, project),
            *check_apis(page, project),
            *check_headings(page, project),
        ]
        kept = {each for each in findings if each.line not in page.silenced}
        report.findings += sorted(kept)
    return report


def find_pages(root: Path) -> list[Path]:
    """The Markdown files of a folder: those git knows or would add, else all not hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        names = [path.relative_to(root) for path in root.rglob("*.md")]
    return sorted(root / name for name in names if _is_ours(name) and (root / name).is_file())


def _is_ours(name: Path) -> bool:
    hidden = [part for part in name.parts[:-1] if part.startswith(".")]
    return not set(name.parts) & set(SKIPPED) and all(part in HIDDEN_PAGES for part in hidden)


def _check_commands(
    page: Page, judges: Programs, project: Project, report: Report
) -> Iterable[Finding]:
    shown = _shown(page.path, project)
    for command in _once(page.commands(judges.names)):
        problems = judges.check(page.as_anybodys(command))
        if problems is None:
            if command.line not in page.silenced:
                report.unjudged.append((shown, command.line, command.text))
            continue
        report.commands += 1
        if problems:
            yield Finding(shown, command.line, "command", command.text, "; ".join(problems))


def _once(commands: Iterable[CommandLine]) -> Sequence[CommandLine]:
    return list(dict.fromkeys(commands))


def _shown(path: Path, project: Project) -> str:
    resolved = path.resolve()
    if resolved.is_relative_to(project.root):
        return resolved.relative_to(project.root).as_posix()
    return str(path)
