"""mcp: the daemon's knowledge for clients of the Model Context Protocol."""

import click

from cco_knowledge_client import KnowledgeError, project_of
from kmctl.options import Command, Invocation
from kmctl.reach import CALL_LIMIT_S, socket_path

_PARTS_OF_THE_EXTRA = ("mcp", "mcp_types")


@click.command(cls=Command)
@click.option("--project", help="The default project; else that of the working directory.")
@click.option("--read-only", is_flag=True, help="Offer no tool that stores anything.")
@click.pass_obj
def mcp(invocation: Invocation, /, project: str | None, read_only: bool) -> None:
    """Serve the Model Context Protocol on standard input and output.

    For agents that speak it: their client starts this command. Needs the extra "mcp"
    (pip install 'cco-knowledge[mcp]'). The daemon need not run yet; calls fail until it does.
    """
    try:
        from kmctl.mcp_server.server import serve
    except ModuleNotFoundError as error:
        if error.name not in _PARTS_OF_THE_EXTRA:
            raise
        raise KnowledgeError(
            "The MCP SDK is not installed. Install it with: pip install 'cco-knowledge[mcp]'"
        ) from error
    serve(
        socket_path(invocation),
        timeout_s=invocation.timeout_s or CALL_LIMIT_S,
        project=project or project_of(),
        read_only=read_only,
    )
