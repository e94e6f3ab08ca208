"""A reading as lines of a given width: the same on a screen and in a file. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kmctl.output import visible
from kmctl.top.reading import Embedding, Method, Process, Reading, Seen, Store, Table

HEADING = "bold"
ALARM = "bold red"
NOTICE = "yellow"
PLAIN = ""
UNKNOWN = "-"

_GAP = 2
_TITLE_WIDTH = 11
_CELL_WIDTH = 18
_COLUMN_WIDTH = 10
_NAME_WIDTHS = (14, 32)
_UNITS = ("B", "kB", "MB", "GB", "TB")
_KILO = 1000
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: str = PLAIN


Line = Sequence[Span]


@dataclass(frozen=True, slots=True)
class Cell:
    label: str
    value: str
    style: str = PLAIN

    def text(self) -> str:
        """As wide as whole cells, so that what stands below each other is in columns."""
        width = _CELL_WIDTH
        while len(self.label) + 1 + len(self.value) > width:
            width += _GAP + _CELL_WIDTH
        return f"{self.label}{self.value:>{width - len(self.label)}}"


def lines_of(seen: Seen, width: int, height: int | None = None, *, note: str = "") -> list[Line]:
    """Not more than `height`; what there is no room for are methods that are little called."""
    lines = [*_head(seen, width, note)]
    for title, cells in _sections(seen.reading):
        lines += [(), *_flow(title, cells, width)]
    room = None if height is None else max(0, height - len(lines) - 2)
    lines += _methods(seen.reading.methods, width, room)
    return lines[:height]


def notice(words: str, width: int, *, style: str = ALARM, note: str = "") -> list[Line]:
    """What is told where there is no reading."""
    return [
        *_wrapped([Span(visible(part), style) for part in words.split()], width, gap=1),
        (),
        *_end(note),
    ]


def plain(lines: Iterable[Line]) -> str:
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)


def _head(seen: Seen, width: int, note: str) -> Iterator[Line]:
    reading = seen.reading
    parts = [
        Span(f"{seen.at.astimezone():%H:%M:%S}"),
        Span(visible(f"cco-knowledge {reading.version}"), HEADING),
        Span(f"pid {seen.pid}"),
        Span(f"up {timedelta(seconds=int(reading.uptime_s))}"),
        Span("ready") if reading.ready else Span("not ready", NOTICE),
        *([Span(visible(reading.model))] if reading.model else []),
        *_end_spans(note),
    ]
    yield from _wrapped(parts, width, gap=_GAP)


def _sections(reading: Reading) -> Iterator[tuple[str, Sequence[Cell]]]:
    yield "calls", _calls(reading)
    if reading.errors_by_outcome:
        yield "errors/s", [_errors(*each) for each in sorted(reading.errors_by_outcome.items())]
    if reading.embedding is not None:
        yield "embedding", _embedding(reading.embedding)
    if reading.store is not None:
        yield "store", [*_store(reading.store), *_table(reading.table)]
    yield "process", _process(reading.process)


def _calls(reading: Reading) -> list[Cell]:
    return [
        Cell("calls/s", rate(reading.calls_per_s)),
        _errors("errors/s", reading.errors_per_s),
        Cell("unanswered", whole(reading.unanswered)),
        Cell("wait p50", duration(reading.wait_p50_s)),
        Cell("wait p95", duration(reading.wait_p95_s)),
        Cell("connections", whole(reading.connections)),
    ]


def _errors(label: str, per_s: float | None) -> Cell:
    return Cell(visible(label), rate(per_s), ALARM if per_s else PLAIN)


def _embedding(embedding: Embedding) -> list[Cell]:
    return [
        Cell("queue", whole(embedding.queue)),
        Cell("texts/s", rate(embedding.texts_per_s)),
        Cell("passages/s", rate(embedding.passages_per_s)),
        Cell("tokens/s", rate(embedding.tokens_per_s)),
        Cell("cache hits", percent(embedding.cache_hit_share)),
        Cell("cached", whole(embedding.cache_entries)),
        Cell("busy threads", rate(embedding.busy_threads)),
    ]


def _store(store: Store) -> list[Cell]:
    failures = store.compaction_failures
    return [
        Cell("commits/s", rate(store.commits_per_s)),
        Cell("commit p95", duration(store.commit_p95_s)),
        Cell("rows/s", rate(store.rows_per_s)),
        Cell("compactions", whole(store.compactions)),
        Cell("failed", whole(failures), ALARM if failures else PLAIN),
    ]


def _table(table: Table | None) -> list[Cell]:
    if table is None:
        return [Cell("table", "does not answer", ALARM)]
    return [
        Cell("fragments", whole(table.fragments)),
        Cell("versions", whole(table.versions)),
        Cell("unindexed", whole(table.unindexed_rows)),
        Cell("on disk", size(table.bytes)),
    ]


def _process(process: Process) -> list[Cell]:
    return [
        Cell("memory", size(process.rss_bytes)),
        Cell("CPU", percent(process.busy_cores)),
        Cell("threads", whole(process.threads)),
        Cell("open files", whole(process.open_files)),
        Cell("loop lag", duration(process.loop_lag_s)),
        Cell("disk free", size(process.disk_free_bytes)),
    ]


_COLUMNS: tuple[tuple[str, Callable[[Method], str]], ...] = (
    ("calls/s", lambda method: rate(method.calls_per_s)),
    ("errors/s", lambda method: rate(method.errors_per_s)),
    ("p50", lambda method: duration(method.p50_s)),
    ("p95", lambda method: duration(method.p95_s)),
)
_FIRST_TO_STAY = ("calls/s", "p95", "p50", "errors/s")


def _methods(methods: dict[str, Method], width: int, room: int | None) -> Iterator[Line]:
    """By name. Where not all have room, those that are called most."""
    busiest = sorted(methods, key=lambda name: -(methods[name].calls_per_s or 0.0))
    shown = sorted(busiest[:room])
    if not shown:
        return
    least, most = _NAME_WIDTHS
    stay = _FIRST_TO_STAY[: max(1, (width - least) // _COLUMN_WIDTH)]
    columns = [column for column in _COLUMNS if column[0] in stay]
    name_width = min(most, max(least, width - len(columns) * _COLUMN_WIDTH))
    yield ()
    titles = "".join(f"{title:>{_COLUMN_WIDTH}}" for title, _ in columns)
    yield (Span(f"{'method':<{name_width}}{titles}", HEADING),)
    for name in shown:
        figures = "".join(f"{figure(methods[name]):>{_COLUMN_WIDTH}}" for _, figure in columns)
        style = ALARM if methods[name].errors_per_s else PLAIN
        yield (Span(f"{visible(name)[:name_width]:<{name_width}}{figures}", style),)


def _flow(title: str, cells: Iterable[Cell], width: int) -> Iterator[Line]:
    """As many cells a line as there is room for, beside the title, or below where it is narrow."""
    spans = [Span(cell.text(), cell.style) for cell in cells]
    room = width - _TITLE_WIDTH
    if room < 2 * _CELL_WIDTH + _GAP:
        yield (Span(title, HEADING),)
        yield from _wrapped(spans, width, gap=_GAP)
        return
    head = Span(f"{title:<{_TITLE_WIDTH}}", HEADING)
    for line in _wrapped(spans, room, gap=_GAP):
        yield (head, *line)
        head = Span(" " * _TITLE_WIDTH)


def _wrapped(parts: Iterable[Span], width: int, *, gap: int) -> Iterator[Line]:
    line: list[Span] = []
    used = 0
    for part in parts:
        if line and used + gap + len(part.text) > width:
            yield line
            line, used = [], 0
        if line:
            line.append(Span(" " * gap))
            used += gap
        line.append(part)
        used += len(part.text)
    if line:
        yield line


def _end(note: str) -> list[Line]:
    return [_end_spans(note)] if note else []


def _end_spans(note: str) -> list[Span]:
    return [Span(note, NOTICE)] if note else []


def rate(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < _HUNDRED else f"{value:,.0f}"


def whole(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds < _HUNDRED else f"{milliseconds:.0f} ms"


def size(n_bytes: int) -> str:
    power = 0 if n_bytes < _KILO else min(int(math.log(n_bytes, _KILO)), len(_UNITS) - 1)
    decimals = 1 if power else 0
    return f"{n_bytes / _KILO**power:.{decimals}f} {_UNITS[power]}"
