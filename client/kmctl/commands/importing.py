"""import: entries from JSON Lines, as `kmctl export` writes them."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

import click

from cco_knowledge_client import KnowledgeClient, KnowledgeError
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
@click.pass_obj
def import_(invocation: Invocation, /, file: BinaryIO) -> int:
    """Store entries from JSON Lines.

    FILE "-" stands for standard input. Ids and times are kept, and importing the same file
    again changes nothing. A line that is refused is reported with its number; the others are
    stored, and the exit code is 1.
    """
    report = Report()
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        knowledge.ping()
        with progress("import", in_bytes=True) as draw:
            for batch in batches(_good_lines(file, report)):
                _store(knowledge, batch, report)
                draw(batch[-1].end_bytes, _size_bytes(file))
    report.errors.sort(key=lambda error: error.line)
    show(invocation, asdict(report), lambda _: _print_report(report))
    return 1 if report.failed else 0


def _good_lines(file: BinaryIO, report: Report) -> Iterator[EntryLine]:
    for line in read_lines(file):
        report.read += 1
        if isinstance(line, BadLine):
            report.fail(line.number, line.reason, line.message)
        else:
            yield line


def _store(knowledge: KnowledgeClient, batch: list[EntryLine], report: Report) -> None:
    try:
        result = knowledge.store_batch([line.item for line in batch])
    except KnowledgeError as error:
        if error.reason not in _WHOLE_CALL_REFUSED:
            raise
        _store_apart(knowledge, batch, report, error)
        return
    for line, outcome in zip(batch, result.results, strict=True):
        if isinstance(outcome, KnowledgeError):
            report.fail(line.number, outcome.reason, outcome.message)
        elif outcome.stored:
            report.stored += 1
        else:
            report.unchanged += 1


def _store_apart(
    knowledge: KnowledgeClient, batch: list[EntryLine], report: Report, error: KnowledgeError
) -> None:
    """One line spoils the whole call: halve until it is alone."""
    if len(batch) == 1:
        report.fail(batch[0].number, error.reason, error.message)
        return
    middle = len(batch) // 2
    _store(knowledge, batch[:middle], report)
    _store(knowledge, batch[middle:], report)


def _size_bytes(file: BinaryIO) -> int | None:
    return os.fstat(file.fileno()).st_size or None


def _print_report(report: Report) -> None:
    for error in report.errors:
        click.echo(f"line {error.line}: {error.message} ({error.reason})", err=True)
    print_line(
        f"{report.read} read, {report.stored} stored, {report.unchanged} unchanged, "
        f"{report.failed} failed"
    )
