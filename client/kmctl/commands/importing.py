"""import: entries from JSON Lines, as `kmctl export` writes them."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import click

from cco_knowledge_client import Batch, KnowledgeClient, KnowledgeError
from cco_knowledge_client.results import read_batch
from kmctl.entry_lines import BadLine, EntryLine, batches, read_lines
from kmctl.options import Command, Invocation
from kmctl.output import print_line, progress, show
from kmctl.reach import BULK_LIMIT_S, connect

_WHOLE_CALL_REFUSED = frozenset({"parse_error", "invalid_request", "invalid_params", "too_large"})
_LINE_REFUSED = _WHOLE_CALL_REFUSED | {"not_found", "conflict"}
_LOOKED_UP_AT_ONCE = 100


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

    def count(self, *, stored: bool) -> None:
        self.stored += stored
        self.unchanged += not stored

    def fail(self, line: int, reason: str, message: str) -> None:
        self.failed += 1
        self.errors.append(LineError(line, reason, message))


@dataclass(frozen=True, slots=True)
class _Replaced:
    """An entry that is there, and is yet to be superseded."""

    line: int
    id: str
    superseded_by: Any
    stored: bool


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
    replaced: list[_Replaced] = []
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        knowledge.ping()
        with progress("import", in_bytes=True) as draw:
            for batch in batches(_good_lines(file, report)):
                replaced += _store(knowledge, batch, report)
                draw(batch[-1].end_bytes, _size_bytes(file))
        with progress("superseded") as draw:
            for n_done, one in enumerate(_not_yet_so(knowledge, replaced, report), 1):
                _supersede(knowledge, one, report)
                draw(n_done, len(replaced))
    report.errors.sort(key=lambda error: error.line)
    show(invocation, asdict(report), lambda _: _print_report(report))
    return 1 if report.failed else 0


def _good_lines(file: BinaryIO, report: Report) -> Iterator[EntryLine]:
    for line in read_lines(file):
        report.read += 1
        if isinstance(line, BadLine):
            report.fail(line.number, line.reason, line.message)
        elif line.superseded_by and not line.item.get("id"):
            message = "An entry with `superseded_by` needs its `id`."
            report.fail(line.number, "invalid_params", message)
        else:
            yield line


def _store(knowledge: KnowledgeClient, batch: list[EntryLine], report: Report) -> list[_Replaced]:
    try:
        result = _send(knowledge, batch)
    except KnowledgeError as error:
        if error.reason not in _WHOLE_CALL_REFUSED:
            raise
        return _store_apart(knowledge, batch, report, error)
    replaced = []
    for line, outcome in zip(batch, result.results, strict=True):
        if isinstance(outcome, KnowledgeError):
            report.fail(line.number, outcome.reason, outcome.message)
        elif line.superseded_by:
            replaced.append(_Replaced(line.number, outcome.id, line.superseded_by, outcome.stored))
        else:
            report.count(stored=outcome.stored)
    return replaced


def _send(knowledge: KnowledgeClient, batch: list[EntryLine]) -> Batch:
    items = [line.item for line in batch]
    run = batch[0].migration_run
    if run is None:
        return knowledge.store_batch(items)
    return read_batch(knowledge.call("knowledge.migrate", {"run": run, "items": items}))


def _store_apart(
    knowledge: KnowledgeClient, batch: list[EntryLine], report: Report, error: KnowledgeError
) -> list[_Replaced]:
    """One line spoils the whole call: halve until it is alone."""
    if len(batch) == 1:
        report.fail(batch[0].number, error.reason, error.message)
        return []
    middle = len(batch) // 2
    return [
        *_store(knowledge, batch[:middle], report),
        *_store(knowledge, batch[middle:], report),
    ]


def _not_yet_so(
    knowledge: KnowledgeClient, replaced: list[_Replaced], report: Report
) -> Iterator[_Replaced]:
    """Without those whose newest successor is right: their next one may be another entry."""
    for start in range(0, len(replaced), _LOOKED_UP_AT_ONCE):
        part = replaced[start : start + _LOOKED_UP_AT_ONCE]
        found = knowledge.get([one.id for one in part]).entries
        successors = {entry.id: entry.superseded_by for entry in found}
        for one in part:
            if successors.get(one.id) == one.superseded_by:
                report.count(stored=one.stored)
            else:
                yield one


def _supersede(knowledge: KnowledgeClient, one: _Replaced, report: Report) -> None:
    try:
        updated = knowledge.update(one.id, superseded_by=one.superseded_by).updated
    except KnowledgeError as error:
        if error.reason not in _LINE_REFUSED:
            raise
        report.fail(one.line, error.reason, f"It is there, but not superseded: {error.message}")
    else:
        report.count(stored=one.stored or updated)


def _size_bytes(file: BinaryIO) -> int | None:
    return os.fstat(file.fileno()).st_size or None


def _print_report(report: Report) -> None:
    for error in report.errors:
        click.echo(f"line {error.line}: {error.message} ({error.reason})", err=True)
    print_line(
        f"{report.read} read, {report.stored} stored, {report.unchanged} unchanged, "
        f"{report.failed} failed"
    )
