"""What people and programs get to see."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from kmctl.options import Invocation

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INDENT = "    "
_LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"


def show(invocation: Invocation, result: Any, for_people: Callable[[Any], None]) -> None:
    if invocation.as_json:
        print_json(result)
    else:
        for_people(result)


def print_json(value: Any) -> None:
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent).encode())


def print_line(text: str) -> None:
    click.echo(visible(text).encode())


def warn(text: str) -> None:
    """One line beside the output, on standard error."""
    click.echo(visible(text).encode(), err=True)


def visible(text: str) -> str:
    """A stored text must not steer the terminal: control characters are spelt out."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.expandtabs(4))


def print_facts(facts: Mapping[str, object]) -> None:
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print_line(f"{name:<{width}}  {_in_words(value)}")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    cells = [[visible(_in_words(value)) for value in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich_table(titles, cells)
        return
    lines = [list(titles), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print_line("  ".join(padded).rstrip())


def print_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    if sys.stdout.isatty():
        rows = [("\n".join([*_about(entry), *_why(entry)]), _excerpt(entry)) for entry in entries]
        _print_rich_table(("Entry", "Text"), rows)
        return
    for entry in entries:
        print_line("  ".join(_about(entry)))
        if reasons := _why(entry):
            print_line(_INDENT + "; ".join(reasons))
        for line in _excerpt(entry).split("\n"):
            print_line(_INDENT + line)


def _about(entry: Mapping[str, Any]) -> list[str]:
    """All that is shown of an entry beside its text."""
    score = [f"{entry['score']:.3f}"] if "score" in entry else []
    fields = ("id", "type", "project_id", "timestamp")
    successor = entry.get("superseded_by")
    superseded = [f"superseded by {visible(successor)}"] if successor else []
    return score + [visible(str(entry[name])) for name in fields] + superseded


def _excerpt(entry: Mapping[str, Any]) -> str:
    """The text; of a long one the passage that matches, between lines of dots."""
    text, passage = entry["text"], entry.get("passage")
    if not passage:
        return visible(text)
    before = "" if text.startswith(passage) else f"{_LEFT_OUT}\n"
    after = "" if text.endswith(passage) else f"\n{_LEFT_OUT}"
    return before + visible(passage.strip()) + after


def _why(entry: Mapping[str, Any]) -> list[str]:
    """How a search came to an entry, where it was asked to explain that."""
    explain = entry.get("explain")
    if not explain:
        return []
    replaced = [f"replaces {visible(_in_words(explain['supersedes']))}"]
    return [
        f"meaning: {_standing(explain['vector'])}",
        f"words: {_standing(explain['text'])}",
        *(f"{name} {_rounded(explain[name])}" for name in ("fusion", "recency", "evidence")),
        *(replaced if explain["supersedes"] else []),
    ]


def _standing(ranked: Mapping[str, Any] | None) -> str:
    """In one of the two lists that a search puts together."""
    if ranked is None:
        return "-"
    return (
        f"rank {ranked['rank']}, {_rounded(ranked['score'])}, scaled {_rounded(ranked['scaled'])}"
    )


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _print_rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        # Not as strings: rich would read [brackets] in them as styles.
        table.add_row(*map(Text, row))
    Console().print(table)


@contextmanager
def progress(what: str, *, in_bytes: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A function to call with what is done and the total; it draws a bar on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
