"""bugreport: what a maintainer needs, and nothing private."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kmctl.options import Command, Invocation
from kmctl.output import print_line, show
from kmctl.whole_file import whole_file


@click.command(cls=Command)
@click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE.tar.gz]"
)
@click.pass_obj
def bugreport(invocation: Invocation, /, file: Path | None) -> None:
    """Pack what a maintainer needs to find a fault.

    Versions, settings, what kmctl doctor says, counts, sizes and modes of files, and the end of
    the log. No text that was stored or searched for, no name of a project or an agent, no
    token, no path, and neither your name nor your machine's. Nothing is sent anywhere: look
    at it, then send it yourself. FILE is by default in the current folder.
    """
    from kmctl.bugreport.archive import packed, report_files

    contents = report_files(invocation)
    path = file or Path(f"kmctl-bugreport-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    with whole_file(path.absolute()) as stream:
        stream.write(packed(contents))
    sizes = [{"name": name, "bytes": len(data)} for name, data in contents.items()]
    show(invocation, {"file": str(path), "packed": sizes}, _print_packed)


def _print_packed(result: Any) -> None:
    for part in result["packed"]:
        print_line(f"{part['bytes']:>8}  {part['name']}")
    print_line(f"Packed in {result['file']}. Nothing was sent. Look at it before you send it:")
    print_line(f"  tar -xzOf {result['file']} | less")
