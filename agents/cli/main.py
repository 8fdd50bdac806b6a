"""The command table, and how errors become exit codes.

Nothing heavy is imported here, so that ``--help`` answers at once: a command's module is loaded
when the command is used. A test compares the one-line help below with that of the commands.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from agents.command import PROGRAM, command
from agents.errors import GoapError, UsageError
from agents.ledger.failpoints import arm
from agents.ledger.redaction import hide, redact, redacted
from agents.machine import explained
from goap_start import COMPLETE, PACKAGES, intrusion

if TYPE_CHECKING:
    from pathlib import Path

    from agents.declare.catalogue import Catalogue
    from agents.declare.commands import Command

__all__ = ["COMMANDS", "Composition", "cli", "declared_command", "error_document", "invoke"]

COMMANDS: dict[str, tuple[str, str]] = {
    "plan": ("agents.cli.plan", "Show the cheapest way to a goal, and change nothing."),
    "run": ("agents.cli.run", "Plan, then act until the goal holds."),
    "status": ("agents.cli.status", "What is true now."),
    "explain": ("agents.cli.explain", "A goal, action or fact: what needs it, what supplies it."),
    "runs": ("agents.cli.history", "The runs so far, newest first."),
    "show": ("agents.cli.history", "One run: its plans, steps, failures and end."),
    "report": ("agents.cli.history", "One run as one HTML file, with pictures and curves."),
    "approve": ("agents.cli.approve", "Agree to the plan that a run stopped at, up to a cap."),
    "watch": ("agents.cli.watch", "Pursue goals as events arrive."),
    "serve": ("agents.cli.serve", "Receive signed webhooks as events."),
    "emit": ("agents.cli.emit", "Append an event; a watcher looks at the goals it prompts."),
    "goals": ("agents.cli.listing", "The goals and their parameters."),
    "actions": ("agents.cli.listing", "The actions: needs, effects, cost."),
    "facts": ("agents.cli.listing", "The facts the world is described with."),
    "adr": (
        "agents.cli.adr",
        "Decisions: list, new, show, accept, supersede, check, verify, write and index.",
    ),
    "ledger": ("agents.cli.ledger", "The file of the ledger: archive, salvage."),
    "learnings": ("agents.cli.learnings", "What was learned: list, verify, archive."),
    "docs": (
        "agents.cli.docs",
        "Documents: check that what they quote is really there; write the reference.",
    ),
    "schema": ("agents.cli.schema", "JSON Schemas of what commands print and goals take."),
    "mcp": ("agents.cli.mcp", "Serve AI agents over the Model Context Protocol, on stdio."),
    "doctor": ("agents.cli.doctor", "Check the set-up, and say how to mend it."),
}


@dataclass(frozen=True)
class Composition:
    """What the composition root hands to the commands; called, it gives the declarations.

    Attributes:
        catalogue: Loads the declarations.
        commands: The program's commands that are not the engine's, as in `COMMANDS`: where each is,
            as ``module:NAME``, and its one-line help.
        secret_files: Names configuration files that hold secrets, which are never printed.
    """

    catalogue: "Callable[[], Catalogue]"
    secret_files: "Callable[[], Iterable[Path]]" = tuple
    commands: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __call__(self) -> "Catalogue":
        """The declarations."""
        return self.catalogue()


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_besides(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            declared = declared_command(ctx, cmd_name)
            return None if declared is None else _added(declared)
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)  # noqa: S101 - the table is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            added = _of_the_catalogue(ctx)
            if name in added:
                return name, _added(added[name]), args[1:]
            raise _unknown(name, known, list(added))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = {**COMMANDS, **_besides(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in rows.items()])


def _besides(context: click.Context) -> Mapping[str, tuple[str, str]]:
    """The program's commands that are not the engine's, as the composition root lists them."""
    root = context.find_root().obj
    return root.commands if isinstance(root, Composition) else {}


def declared_command(context: click.Context, name: str) -> "Command | None":
    """A command of the program that is not the engine's; imported when it is used."""
    listed = _besides(context)
    if name not in listed:
        return None
    module, _, attribute = listed[name][0].partition(":")
    declared: Command = getattr(importlib.import_module(module), attribute)
    return declared


def _of_the_catalogue(context: click.Context) -> "Mapping[str, Command]":
    """Those that the catalogue in use adds; none where it cannot be loaded."""
    root = context.find_root().obj
    try:
        return {each.name: each for each in root().contributions.commands()} if root else {}
    except GoapError:
        return {}


def _added(declared: "Command") -> click.Command:
    from agents.cli.added import click_command  # noqa: PLC0415 - imports what reads words

    return click_command(declared)


def _unknown(name: str, known: Sequence[str], added: Sequence[str]) -> UsageError:
    import difflib  # noqa: PLC0415 - only when a word is wrong

    close = difflib.get_close_matches(name, [*known, *added], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    more = f"; this catalogue adds {', '.join(added)}" if added and not close else ""
    return UsageError(f"there is no command {name!r}{hint}{more}", fix=command("--help"))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Example: {command('plan goal=NAME')}; {command('goals')} lists the names",
)
def cli() -> None:
    """State a goal; the toolkit observes, plans, acts, verifies and records.

    Every command takes key=value words and --json.
    """


def invoke(root: "Composition | Callable[[], Catalogue]", argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        root: Loads the declarations; called only by commands that need them.
        argv: The words after the program's name.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    arm()
    if isinstance(root, Composition):
        hide(root.secret_files)
    try:
        code = cli.main(args=words, prog_name=PROGRAM, standalone_mode=False, obj=root)
    except GoapError as error:
        return _fail(error, words)
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"{error.ctx.command_path} --help"
        return _fail(UsageError(error.format_message(), fix=hint), words)
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except ImportError as error:
        return _incomplete(error, words)
    except Exception as error:  # noqa: BLE001 - nothing may print a traceback with secrets in it
        foreseen = explained(error)
        return _bug(error, words) if foreseen is None else _fail(foreseen, words)
    return code if isinstance(code, int) else 0


def _incomplete(error: ImportError, words: Sequence[str]) -> int:
    """A package that we need is not installed, or files of ours are somebody else's."""
    problem = intrusion()
    if problem is not None and problem.broken:
        return _fail(UsageError(problem.message, fix="\n".join(problem.fix)), words)
    package = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in (*PACKAGES, ""):
        return _bug(error, words)
    missing = f"{package} is not installed: this environment is incomplete"
    return _fail(UsageError(missing, fix=COMPLETE), words)


def _bug(error: Exception, words: Sequence[str]) -> int:
    import traceback  # noqa: PLC0415 - only when something is wrong with us

    print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
    unforeseen = GoapError(
        f"this should not happen: {type(error).__name__}: {error}",
        fix="report it with the lines above; running again is safe",
    )
    return _fail(unforeseen, words)


def _fail(error: GoapError, words: Sequence[str]) -> int:
    with suppress(OSError):  # where nothing can be said, the exit code still says it
        _say(error, words)
    return error.exit_code


def _say(error: GoapError, words: Sequence[str]) -> None:
    if "--json" in words:
        document = error_document(words[0] if words else "agents", error)
        # click writes it in UTF-8 where the locale knows only ASCII
        click.echo(json.dumps(redacted(document), ensure_ascii=False))
    else:
        lines = [f"error: {error.message}"]
        heads = ["  fix: "] + ["       "] * error.fix.count("\n")
        lines += [
            head + line for head, line in zip(heads, error.fix.splitlines(), strict=False) if line
        ]
        print(redact("\n".join(lines)), file=sys.stderr, flush=True)


def error_document(command: str, error: GoapError) -> dict[str, Any]:
    """The JSON envelope of a failed command."""
    return {
        "schema": f"agents.{command}/1",
        "ok": False,
        "data": None,
        "error": {
            "code": error.code,
            "message": error.message,
            "fix": error.fix,
            "retryable": error.retryable,
        },
    }
