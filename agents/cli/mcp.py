"""``mcp``: the MCP server, over stdio."""

import click

from agents.cli.words import parse_words, state_directory
from agents.errors import UsageError

__all__ = ["mcp_command"]


@click.command("mcp")
@click.argument("words", nargs=-1, metavar="[state=DIR]")
@click.pass_context
def mcp_command(context: click.Context, words: tuple[str, ...]) -> None:
    """Serve AI agents over the Model Context Protocol, on stdio.

    Tools: goap_plan, goap_explain, goap_status, goap_run, goap_cancel.
    Resources: goap://runs/ID and goap://runs/ID/report.
    """
    given = parse_words(words)
    state = state_directory(given.pop("state", None))
    if given:
        raise UsageError(f"mcp takes state= only, not {next(iter(given))}=")
    try:
        from agents.mcp.server import make_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise UsageError(
            "the package mcp is not installed", fix="pip install 'goap-modal-agents[mcp]'"
        ) from error
    from agents.mcp.tools import Toolkit  # noqa: PLC0415 - likewise

    make_server(Toolkit(context.obj, state.absolute())).run()
