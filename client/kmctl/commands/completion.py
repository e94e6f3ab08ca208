"""completion: the script by which a shell completes kmctl's commands and options."""

import click
from click.shell_completion import get_completion_class

from kmctl.options import Command, Invocation
from kmctl.output import show

_VARIABLE = "_KMCTL_COMPLETE"
"""By which click is asked for completions; its name follows from the command's."""


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that lets SHELL complete kmctl's commands and options.

    For bash, add eval "$(kmctl completion bash)" to ~/.bashrc; for zsh, the same with zsh to
    ~/.zshrc, after compinit; for fish, write it to ~/.config/fish/completions/kmctl.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has all three
    script = kind(context.find_root().command, {}, "kmctl", _VARIABLE).source()
    invocation: Invocation = context.obj
    show(invocation, {"shell": shell, "script": script}, lambda _: click.echo(script))
