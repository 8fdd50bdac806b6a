"""``docs check``: Markdown against what is really there."""

from pathlib import Path
from typing import Any

import click

from agents.cli.main import cli
from agents.cli.options import takes
from agents.cli.our_program import OurProgram
from agents.cli.output import emit, json_option, paint
from agents.cli.reference import reference_page
from agents.cli.words import catalogue_of
from agents.command import NAMES, command
from agents.declare.contributions import Contributions, Program
from agents.declare.words import Options, word
from agents.documents import Project, Report, check_pages, find_pages
from agents.documents.programs import Make
from agents.errors import UsageError
from agents.ledger.payloads import MODELS

__all__ = ["docs_command", "programs_of", "project_of"]

EXIT_FOUND = 1


@click.group("docs")
def docs_command() -> None:
    """Documents: check that what they quote is really there; write the reference."""


class ReferenceOptions(Options):
    """Where the page goes."""

    out: Path | None = word("FILE", None)


@docs_command.command("check")
@click.argument("paths", nargs=-1, metavar="[PATH]…")
@json_option
@click.pass_context
def check_command(context: click.Context, paths: tuple[str, ...], as_json: bool) -> int:
    """Compare commands, files, links, names of APIs and headings with what is really there.

    PATH is a page or a folder; without one, every page of the project here. Nothing that a page
    quotes is run. A page may quote what is wrong between two comments: docs check: off, and on. Of
    a goal that only its reader has, it says the words: docs check: goal NAME WORD WORD.
    """
    added = catalogue_of(context).contributions
    project = project_of(Path(paths[0]) if paths else Path(), added)
    pages = [page for path in paths or (str(project.root),) for page in _pages(Path(path))]
    report = check_pages(pages, project, programs_of(context, project))
    data = _data(report)
    emit("docs.check", data, lambda: _text(report), json_wanted=as_json)
    return EXIT_FOUND if report.findings else 0


@docs_command.command("reference")
@takes(ReferenceOptions)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when out= says another.")
@json_option
@click.pass_context
def reference_command(
    context: click.Context, options: ReferenceOptions, check: bool, as_json: bool
) -> int:
    """Every command, goal, fact, exit code and public name, as one page of Markdown.

    out=FILE writes it there; without it, the page is printed.
    """
    root = context.find_root()
    text, out = reference_page(cli, root.obj, catalogue_of(root)), options.out
    if out is None:
        emit("docs.reference", {"page": text}, lambda: text.rstrip("\n"), json_wanted=as_json)
        return 0
    changed = not out.is_file() or out.read_text(encoding="utf-8") != text
    if changed and not check:
        out.write_text(text, encoding="utf-8")
    done = f"{out}: " + ("as it is" if not changed else "is outdated" if check else "written")
    emit(
        "docs.reference", {"path": str(out), "changed": changed}, lambda: done, json_wanted=as_json
    )
    return EXIT_FOUND if changed and check else 0


def project_of(path: Path, added: Contributions) -> Project:
    """The project that a page belongs to: the nearest folder above with git or a pyproject.toml."""
    start = path.resolve()
    for folder in (start, *start.parents):
        if (folder / ".git").exists() or (folder / "pyproject.toml").is_file():
            break
    else:
        folder = start if start.is_dir() else start.parent
    return Project(folder, added.quoted, added.familiar, frozenset(MODELS))


def programs_of(context: click.Context, project: Project) -> dict[str, Program]:
    """Every program whose command line is known: ours, make, and what the catalogue adds."""
    root = context.find_root()
    ours = OurProgram(cli, root.obj)
    return {
        **dict.fromkeys(NAMES, ours),
        "make": Make(project.root / "Makefile"),
        **catalogue_of(root).contributions.programs(project.root),
    }


def _pages(path: Path) -> list[Path]:
    if path.is_dir():
        return find_pages(path)
    if not path.is_file():
        raise UsageError(f"there is no page {path}", fix=command("docs check"))
    return [path]


def _data(report: Report) -> dict[str, Any]:
    return {
        "pages": len(report.pages),
        "commands": report.commands,
        "not_judged": [
            {"path": path, "line": line, "command": command}
            for path, line, command in report.unjudged
        ],
        "lines_exempted": report.silenced,
        "findings": [finding._asdict() for finding in report.findings],
    }


def _text(report: Report) -> str:
    lines = [
        f"{each.path}:{each.line}  {paint(each.kind, 'red')}  {each.quoted}\n    {each.message}"
        for each in report.findings
    ]
    exempted = f", {report.silenced} lines exempted" if report.silenced else ""
    looked = f"{len(report.pages)} pages, {report.commands} commands parsed{exempted}"
    count = len(report.findings)
    verdict = "1 finding" if count == 1 else f"{count} findings" if count else "no findings"
    return "\n".join([*lines, f"{looked}: {verdict}"])
