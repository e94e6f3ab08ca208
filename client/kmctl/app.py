"""The table of commands. Each module of `kmctl.commands` is imported when it is needed."""

from importlib import import_module

import click

from kmctl.options import Group

_COMMANDS = {
    "start": "lifecycle:start",
    "stop": "lifecycle:stop",
    "restart": "lifecycle:restart",
    "status": "state:status",
    "health": "state:health",
    "version": "state:version",
    "store": "entries:store",
    "search": "finding:search",
    "query": "finding:query",
    "context": "finding:context",
    "get": "entries:get",
    "update": "entries:update",
    "delete": "entries:delete",
    "stats": "upkeep:stats",
    "metrics": "metrics:metrics",
    "top": "top:top",
    "cleanup": "upkeep:cleanup",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "export": "exporting:export",
    "import": "importing:import_",
    "migrate": "migrating:migrate",
    "optimize": "upkeep:optimize",
    "verify": "upkeep:verify",
    "scrub": "upkeep:scrub",
    "jobs": "jobs:jobs",
    "eval": "evaluating:eval_",
    "bench": "bench:bench",
    "logs": "logs:logs",
    "doctor": "doctor:doctor",
    "bugreport": "bugreport:bugreport",
    "model": "model:model",
    "config": "config:config",
    "token": "tokens:token",
    "service": "service:service",
    "hooks": "hooks:hooks",
    "mcp": "mcp:mcp",
    "discover": "discover:discover",
    "call": "call:call",
    "completion": "completion:completion",
}


class _Commands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"kmctl.commands.{module}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def kmctl() -> None:
    """Run the knowledge daemon and use what it knows.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 no daemon answers, 4 not allowed,
    5 not found, 6 conflict, 75 try again later, 130 interrupted.
    """
