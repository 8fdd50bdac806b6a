"""``mcp``: the MCP server, over stdio."""

import click

from agents.cli.options import takes
from agents.errors import UsageError
from agents.run.options import StateOptions

__all__ = ["mcp_command"]


@click.command("mcp")
@takes(StateOptions)
@click.pass_context
def mcp_command(context: click.Context, options: StateOptions) -> None:
    """Serve AI agents over the Model Context Protocol, on stdio.

    Tools: goap_plan, goap_explain, goap_status, goap_wait, goap_run, goap_cancel, goap_stop.
    Resources: goap://runs/ID and goap://runs/ID/report.
    """
    try:
        from agents.mcp.server import make_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise UsageError(
            "the package mcp is not installed", fix="pip install 'goap-modal-agents[mcp]'"
        ) from error
    from agents.cli.main import declared_command  # noqa: PLC0415 - it imports this
    from agents.mcp.tools import Toolkit  # noqa: PLC0415 - likewise

    stop = declared_command(context, "stop")
    make_server(Toolkit(context.obj, options.state.absolute(), stop=stop)).run()
