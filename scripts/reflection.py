"""What the code says of its commands and settings, for the pages and the manual."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

import click
import msgspec

from cco_knowledge import config
from kmctl import openrpc

WIDTH = 78
"""What click takes of 80 columns."""


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    type: str
    default: Any
    meaning: str


def leaves(context: click.Context) -> Iterator[click.Context]:
    """One for each command that does something."""
    group = context.command
    assert isinstance(group, click.Group)  # noqa: S101
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101
        inner = child(context, name, command)
        yield from leaves(inner) if isinstance(command, click.Group) else [inner]


def child(context: click.Context, name: str, command: click.Command) -> click.Context:
    return click.Context(command, context, name, terminal_width=WIDTH)


def settings() -> Iterator[Setting]:
    defaults = {each.key: each.value for each in config.load_config({"home": "/"}, {}).settings}
    meanings = dict(_described_settings())
    for key, hint in config.setting_keys().items():
        kind = openrpc.in_words(msgspec.json.schema(hint))
        yield Setting(key, kind, defaults[key], meanings[key])


def _described_settings() -> Iterator[tuple[str, str]]:
    """Each key with the docstring of its field, which only the source has."""
    for section, kind in get_type_hints(config.Config).items():
        (definition,) = ast.parse(inspect.getsource(kind)).body
        assert isinstance(definition, ast.ClassDef)  # noqa: S101
        for field, text in zip(definition.body[::2], definition.body[1::2], strict=True):
            assert isinstance(field, ast.AnnAssign)  # noqa: S101
            yield f"{section}.{ast.unparse(field.target)}", ast.literal_eval(ast.unparse(text))
