"""Options that many commands share, and the types of their values."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the options say that every command has."""

    as_json: bool = False
    home: str | None = None
    socket: str | None = None
    timeout_s: float | None = None


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    if context.obj is None:
        context.obj = Invocation()
    if value is not None and option.name is not None:
        context.obj = replace(context.obj, **{option.name: value})


def _global_options() -> list[click.Parameter]:
    texts: tuple[tuple[list[str], Any, str], ...] = (
        (["--home"], _ABSOLUTE_PATH, "The daemon's folder; else $CCO_HOME, else ~/.cco."),
        (["--socket"], _ABSOLUTE_PATH, "The daemon's socket; else $CCO_KNOWLEDGE_SOCKET."),
        (["--timeout", "timeout_s"], _SECONDS, "Give up after so many seconds."),
    )
    flag = click.Option(
        ["--json", "as_json"],
        is_flag=True,
        default=None,
        expose_value=False,
        callback=_remember,
        help="Print one JSON value and nothing else.",
    )
    return [
        flag,
        *(
            click.Option(names, type=kind, expose_value=False, callback=_remember, help=text)
            for names, kind, text in texts
        ),
    ]


class _AbsolutePath(click.ParamType[str]):
    name = "path"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  # click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        return str(Path(os.fspath(value)).expanduser().absolute())


class _JsonValue(click.ParamType[Any]):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            self.fail(f"is not JSON: {error}", param, ctx)


class _JsonObject(_JsonValue):
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        parsed = super().convert(value, param, ctx)
        if not isinstance(parsed, dict):
            self.fail("is not a JSON object", param, ctx)
        return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_ABSOLUTE_PATH = _AbsolutePath()
_SECONDS = click.FloatRange(min=0, min_open=True, max=1_000_000)
JSON_VALUE = _JsonValue()
JSON_OBJECT = _JsonObject()


class Command(click.Command):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_global_options())


class Group(click.Group):
    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_global_options())


_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--project", "project_id", multiple=True, help="Of this project."),
    click.option("--type", "type", multiple=True, help="Of this type."),
    click.option("--agent", "agent", multiple=True, help="Of this agent."),
    click.option("--session", "session_id", multiple=True, help="Of this session."),
    click.option("--since", help="Not older than this time (RFC 3339)."),
    click.option("--until", help="Not newer than this time."),
    click.option("--metadata", type=JSON_OBJECT, help="Each key must be equal."),
    click.option(
        "--include-superseded",
        is_flag=True,
        default=None,
        help="Also what newer entries have replaced.",
    ),
)
_FIELDS: tuple[Callable[[Any], Any], ...] = (
    click.option("--project", "project_id", help="Which project it belongs to."),
    click.option("--type", "type", help="decision, architecture, issue, general, ..."),
    click.option("--agent", "agent", help="Who learnt it."),
    click.option("--session", "session_id", help="In which session."),
    click.option("--timestamp", help="When, as RFC 3339."),
    click.option("--metadata", type=JSON_OBJECT, help="A JSON object."),
)


def filter_options(command: F) -> F:
    """Add the filters of contract section 4, under the names of their params."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def field_options(command: F) -> F:
    """Add the fields of one entry that both storing and updating take."""
    for option in reversed(_FIELDS):
        command = option(command)
    return command


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given; a repeatable option given once is a single value."""
    params: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, tuple):
            if value:
                params[name] = value[0] if len(value) == 1 else list(value)
        elif value is not None:
            params[name] = value
    return params


def read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"Standard input is not valid UTF-8 (byte {error.start}). Convert it first, "
            "for example with iconv."
        ) from error


def text_or_stdin(text: str) -> str:
    """`-` stands for standard input, without the newline that ends it."""
    return read_stdin().removesuffix("\n") if text == "-" else text
