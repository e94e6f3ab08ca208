"""export: every entry as JSON Lines."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from cco_knowledge_client import TooLarge
from kmctl.options import Command, Invocation, filter_options, given
from kmctl.output import print_line, progress, show
from kmctl.reach import BULK_LIMIT_S, connect
from kmctl.whole_file import whole_file

_PAGE_ENTRIES = 200
_MAX_LINKS = 40
"""As Linux follows."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@filter_options
@click.pass_obj
def export(invocation: Invocation, /, file: str, **filters: Any) -> None:
    """Write all entries as JSON Lines.

    FILE "-" stands for standard output. Everything but the vectors, readable by you alone;
    "kmctl import" gives the same entries again. FILE appears when it is complete. No filter is
    ever added: without --project, all projects are written, and always what newer entries have
    replaced.
    """
    if file == "-" and invocation.as_json:
        raise click.UsageError("--json and the entries cannot both go to standard output.")
    params = given(filters)
    if file == "-":
        _write_entries(invocation, params, sys.stdout.buffer)
        return
    with whole_file(_target(Path(file))) as stream:
        n_entries = _write_entries(invocation, params, stream)
    result = {"exported": n_entries, "file": file}
    show(invocation, result, lambda _: print_line(f"{n_entries} entries exported to {file}"))


def _write_entries(invocation: Invocation, filters: dict[str, Any], stream: BinaryIO) -> int:
    n_written = 0
    with progress("export") as draw:
        for page in _pages(invocation, filters):
            stream.writelines(map(_line, page["results"]))
            n_written += len(page["results"])
            draw(n_written, page["total"])
    return n_written


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _pages(invocation: Invocation, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """By id, so that entries stored meanwhile neither hide nor repeat others."""
    params = {
        **filters,
        "include_superseded": True,
        "order_by": "id",
        "descending": False,
        "limit": _PAGE_ENTRIES,
    }
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        while True:
            try:
                page: dict[str, Any] = knowledge.call("knowledge.query", params)
            except TooLarge:  # the entries of this page are long
                if params["limit"] == 1:
                    raise
                params["limit"] //= 2
                continue
            yield page
            if not page["next_cursor"]:
                return
            params["cursor"] = page["next_cursor"]


def _target(path: Path) -> Path:
    """Where a link leads that is there, unless another user has put it there."""
    path = path.absolute()
    for _ in range(_MAX_LINKS):
        if not path.is_symlink():
            break
        if path.lstat().st_uid != os.geteuid():
            raise click.UsageError(f"{path} is a link of another user. Choose another name.")
        path = path.parent / path.readlink()
    if path.exists() and not path.is_file():
        raise click.UsageError(f'{path} is not a regular file; "-" writes to standard output.')
    return path
