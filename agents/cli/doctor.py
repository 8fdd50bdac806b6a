"""``doctor``: check the set-up, and say how to mend it."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agents.cli.options import takes
from agents.cli.output import emit, json_option, paint
from agents.cli.words import catalogue_of
from agents.command import command
from agents.declare.contributions import Check, Contributions
from agents.errors import GoapError
from agents.ledger.repair import examine
from agents.run.options import StateOptions
from agents.run.question import LEDGER_NAME
from goap_start import intrusion

__all__ = ["doctor_command"]

EXIT_LEDGER = 9
LEAST_FREE_MB = 500
PACKAGES = ("pydantic", "networkx", "jinja2", "gitpython")


@click.command("doctor")
@takes(StateOptions)
@json_option
@click.pass_context
def doctor_command(context: click.Context, options: StateOptions, as_json: bool) -> int:
    """Check the set-up, and say how to mend it."""
    contributions, problem = _catalogue(context)
    findings = [*_findings(options.state, contributions), *([problem] if problem else [])]
    data = [finding._asdict() for finding in findings]
    emit("doctor", data, lambda: "\n".join(map(_line, findings)), json_wanted=as_json)
    broken = [finding for finding in findings if finding.needed and not finding.ok]
    return max((finding.exit_code for finding in broken), default=0)


def _findings(state: Path, contributions: Contributions) -> Iterator[Check]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", good, version, "use Python 3.11, 3.12 or 3.13")
    yield _environment()
    for package in (*PACKAGES, *contributions.packages):
        yield _package(package)
    git = shutil.which("git")
    yield Check("git", bool(git), git or "not found", "install git", needed=False)
    yield _disk(state)
    yield _writable(state)
    yield _ledger(state)
    yield from contributions.checks()


def _environment() -> Check:
    """Whether our packages are ours: another distribution may have files in them."""
    problem = intrusion()
    if problem is None:
        return Check("environment", ok=True, found="nobody else has files in our packages")
    fix = "\n         ".join(problem.fix)
    return Check("environment", False, problem.message, fix, needed=problem.broken)


def _catalogue(context: click.Context) -> tuple[Contributions, Check | None]:
    """What the catalogue adds; where it cannot be loaded, that is what is wrong."""
    try:
        return catalogue_of(context).contributions, None
    except GoapError as error:
        return Contributions(), Check("catalogue", ok=False, found=error.message, fix=error.fix)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks still help
        problem = f"{type(error).__name__}: {error}"
        return Contributions(), Check("catalogue", ok=False, found=problem, fix="mend that module")


def _package(name: str) -> Check:
    try:
        return Check(name, ok=True, found=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, ok=False, found="not installed", fix="make venv")


def _disk(state: Path) -> Check:
    existing = next(path for path in (state.absolute(), *state.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e6
    return Check(
        "disk",
        free >= LEAST_FREE_MB,
        f"{free:,.0f} MB free at {existing}",
        "free some space, or use another state directory: state=DIR",
    )


def _writable(state: Path) -> Check:
    existing = next(path for path in (state.absolute(), *state.absolute().parents) if path.exists())
    good = existing.is_dir() and os.access(existing, os.W_OK)
    told = str(state) if good else f"{existing} is not a directory we may write to"
    return Check("state", good, told, "use another state directory: state=DIR")


def _ledger(state: Path) -> Check:
    path = state / LEDGER_NAME
    if not path.exists():
        return Check("ledger", ok=True, found="none yet")
    try:
        seen = examine(path)
    except GoapError as error:
        return Check("ledger", False, error.message, error.fix, exit_code=error.exit_code)
    if not seen.problems:
        told = (f"{seen.events} events in {path}", *seen.repaired)
        return Check("ledger", ok=True, found="; ".join(told))
    keep = f"{command('ledger salvage')} keeps those; or " if seen.events else ""
    return Check(
        "ledger",
        ok=False,
        found="; ".join((*seen.repaired, *seen.problems)),
        fix=f"{keep}move it away: mv {path} {path}.damaged; what is true is read from the volume "
        "again",
        exit_code=EXIT_LEDGER,
    )


def _line(finding: Check) -> str:
    mark = paint("✓", "green") if finding.ok else paint("✗", "red" if finding.needed else "yellow")
    text = f"{mark} {finding.check:<12} {finding.found}"
    return text if finding.ok or not finding.fix else f"{text}\n    fix: {finding.fix}"
