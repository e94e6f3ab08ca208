"""metrics: what the daemon measures, for Prometheus."""

from dataclasses import asdict
from pathlib import Path

import click

from kmctl.options import Command, Invocation
from kmctl.output import print_json, print_line, show
from kmctl.reach import CALL_LIMIT_S, socket_path
from kmctl.scrape import samples_of, scrape
from kmctl.whole_file import whole_file

_READ_BY_THE_COLLECTOR = 0o644
"""It runs as another user; the figures hold no texts."""


@click.command(cls=Command)
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead, whole or not at all.",
)
@click.pass_obj
def metrics(invocation: Invocation, /, textfile: Path | None) -> None:
    """Print what the daemon measures, as Prometheus reads it.

    With --textfile for node_exporter's textfile collector, which takes files named *.prom.
    """
    text = scrape(socket_path(invocation), invocation.timeout_s or CALL_LIMIT_S)
    samples = [asdict(sample) for sample in samples_of(text)]
    if textfile is not None:
        with whole_file(textfile, _READ_BY_THE_COLLECTOR) as stream:
            stream.write(text.encode())
        written = {"path": str(textfile), "samples": len(samples)}
        show(invocation, written, lambda _: print_line(f"{len(samples)} samples are in {textfile}"))
    elif invocation.as_json:
        print_json({"samples": samples})
    else:
        click.echo(text, nl=False)
