"""import: entries from JSON Lines, as `kmctl export` writes them."""

import os
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import click

from cco_knowledge_client import KnowledgeClient, KnowledgeError
from kmctl import following
from kmctl.entry_lines import BadLine, EntryLine, batches, read_lines
from kmctl.options import Command, Invocation
from kmctl.output import print_line, progress, show
from kmctl.reach import BULK_LIMIT_S, connect

_WHOLE_CALL_REFUSED = frozenset({"parse_error", "invalid_request", "invalid_params", "too_large"})


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
    errors: list[LineError] = field(default_factory=list)

    def fail(self, line: int, reason: str, message: str) -> None:
        self.failed += 1
        self.errors.append(LineError(line, reason, message))


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
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        knowledge.ping()
        sending = _Sending(knowledge, report)
        with progress("read", in_bytes=True) as draw:
            for batch in batches(_good_lines(file, report)):
                sending.send(batch)
                draw(batch[-1].end_bytes, _size_bytes(file))
        if report.job is not None:
            job = knowledge.call("knowledge.import", {"job": report.job})
            if not no_wait:
                sending.count(following.follow(invocation, knowledge, job, "import"))
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


@dataclass(slots=True)
class _Sending:
    knowledge: KnowledgeClient
    report: Report
    line_numbers: "array[int]" = field(default_factory=lambda: array("Q"))
    """Of each item that the daemon has taken, in order."""

    def send(self, batch: list[EntryLine]) -> None:
        try:
            self._send_whole(batch)
        except KnowledgeError as error:
            if error.reason not in _WHOLE_CALL_REFUSED:
                raise
            if len(batch) == 1:
                self.report.fail(batch[0].number, error.reason, error.message)
                return
            # One line spoils the whole call: halve until it is alone.
            middle = len(batch) // 2
            self.send(batch[:middle])
            self.send(batch[middle:])

    def count(self, result: Any) -> None:
        self.report.stored += result["stored"]
        self.report.unchanged += result["unchanged"]
        self.report.failed += result["failed"]
        self.report.errors += [
            LineError(self.line_numbers[error["item"] - 1], error["reason"], error["message"])
            for error in result["errors"]
        ]

    def _send_whole(self, batch: list[EntryLine]) -> None:
        params = {"items": [line.item for line in batch], "more": True}
        if self.report.job is not None:
            params["job"] = self.report.job
        self.report.job = self.knowledge.call("knowledge.import", params)["id"]
        self.line_numbers.extend(line.number for line in batch)


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
