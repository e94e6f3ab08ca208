"""import: entries from JSON Lines, as `kmctl export` writes them."""

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import click

from kmctl import following
from kmctl.entry_lines import BadLine, EntryLine, batches, read_lines
from kmctl.options import Command, Invocation
from kmctl.output import print_line, progress, show, warn
from kmctl.reach import BULK_LIMIT_S, connect
from kmctl.sending import Sending


@dataclass(frozen=True, slots=True)
class LineError:
    line: int
    reason: str
    message: str


@dataclass(slots=True)
class Report:
    job: str | None = None
    read: int = 0
    stored: int = 0
    unchanged: int = 0
    failed: int = 0
    redacted: int = 0
    """Of those stored: with markers in the place of secrets."""
    errors: list[LineError] = field(default_factory=list)

    def fail(self, line: int, reason: str, message: str) -> None:
        self.failed += 1
        self.errors.append(LineError(line, reason, message))

    def count(self, result: Any, line_numbers: Sequence[int]) -> None:
        """`line_numbers`: of the job's items, in order."""
        self.stored += result["stored"]
        self.unchanged += result["unchanged"]
        self.failed += result["failed"]
        self.redacted += result.get("redacted", 0)
        self.errors += [
            LineError(line_numbers[error["item"] - 1], error["reason"], error["message"])
            for error in result["errors"]
        ]


@click.command("import", cls=Command)
@click.argument("file", type=click.File("rb"))
@click.option("--no-wait", is_flag=True, help="Return when the daemon has all, see kmctl jobs.")
@click.pass_obj
def import_(invocation: Invocation, /, file: BinaryIO, no_wait: bool) -> int:
    """Store entries from JSON Lines.

    FILE "-" stands for standard input. Ids and times are kept, and importing the same file
    again changes nothing. A line that is refused is reported with its number; the others are
    stored, and the exit code is 1. The daemon does it as a job, which goes on when this command
    is interrupted.
    """
    report = Report()
    line_numbers = array("Q")
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        knowledge.ping()
        sending = Sending(
            knowledge,
            "import",
            item_of=_item_of,
            taken=lambda lines: line_numbers.extend(line.number for line in lines),
            refused=lambda line, error: report.fail(line.number, error.reason, error.message),
        )
        with progress("read", in_bytes=True) as draw:
            for batch in batches(_good_lines(file, report)):
                sending.send(batch)
                draw(batch[-1].end_bytes, _size_bytes(file))
        report.job = sending.job_id
        job = sending.begin()
        if job is not None and not no_wait:
            result = following.follow(invocation, knowledge, job, "import")
            report.count(result, line_numbers)
    report.errors.sort(key=lambda error: error.line)
    show(invocation, asdict(report), lambda _: _print_report(report, no_wait=no_wait))
    return 1 if report.failed else 0


def _good_lines(file: BinaryIO, report: Report) -> Iterator[EntryLine]:
    for line in read_lines(file):
        report.read += 1
        if isinstance(line, BadLine):
            report.fail(line.number, line.reason, line.message)
        else:
            yield line


def _item_of(line: EntryLine) -> dict[str, Any]:
    return line.item


def _size_bytes(file: BinaryIO) -> int | None:
    return os.fstat(file.fileno()).st_size or None


def _print_report(report: Report, *, no_wait: bool) -> None:
    for error in report.errors:
        click.echo(f"line {error.line}: {error.message} ({error.reason})", err=True)
    told = len(report.errors)
    if report.failed > told:
        click.echo(f"and {report.failed - told} further lines", err=True)
    if no_wait and report.job is not None:
        print_line(f"{report.read} read, {report.failed} failed; the rest is job {report.job}")
        return
    print_line(
        f"{report.read} read, {report.stored} stored, {report.unchanged} unchanged, "
        f"{report.failed} failed"
    )
    if report.redacted:
        warn(f"In {report.redacted} of them markers stand for what looked like a secret.")
