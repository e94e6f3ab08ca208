"""What a comparison gave, as a table in Markdown: a row a figure, a column a contender."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_DAEMON = "daemon"
_FLOOR = "floor"


class _Row(NamedTuple):
    title: str
    figure: str
    part: str | None = None
    more_is_better: bool = False


_ROWS = (
    _Row("process start to first hit, s", "start_s", "p50"),
    _Row("resident after the first hit, MB", "idle_mb", "p50"),
    _Row("the same, shared pages by share, MB", "idle_proportional_mb", "p50"),
    _Row("of a client beside the server, MB", "client_mb", "p50"),
    _Row("most resident in the run, MB", "peak_mb"),
    _Row("store one, p50, ms", "store_ms", "p50"),
    _Row("store one, p95, ms", "store_ms", "p95"),
    _Row("batch of 100, p50, ms", "batch_ms", "p50"),
    _Row("search, new query, p50, ms", "search_ms", "p50"),
    _Row("search, new query, p95, ms", "search_ms", "p95"),
    _Row("the same query again, p50, ms", "again_ms", "p50"),
    _Row("search in one project of fifty, p50, ms", "filtered_ms", "p50"),
    _Row("search in one project of fifty, p95, ms", "filtered_ms", "p95"),
    _Row("10 clients, operations a second", "clients", "operations_per_s", more_is_better=True),
    _Row("10 clients, p95, ms", "clients", "p95"),
    _Row("10 clients, failed operations", "clients", "failed"),
    _Row("disk, MB", "disk_mb"),
    _Row("of the exact ten nearest, found", "found_of_exact", more_is_better=True),
    _Row("embed a question, p50, ms", "embed_query_ms", "p50"),
    _Row("embed 30 to 40 words, p50, ms", "embed_note_ms", "p50"),
    _Row("embed 100 of those in one call, p50, ms", "embed_batch_ms", "p50"),
)
_NOT_COMPARED = {
    "of a client beside the server, MB",
    "10 clients, failed operations",
    "of the exact ten nearest, found",
}


def table(report: Mapping[str, Any]) -> str:
    """Below 1, a ratio says that the daemon is ahead. What failed is named under the table."""
    contenders: Mapping[str, Any] = report["contenders"]
    compared = ratios(report)
    names = [f"{_DAEMON} to the best peer", f"{_DAEMON} to the {_FLOOR}"]
    lines = [_line(["", *contenders, *names]), _line(["---"] * (len(contenders) + 3))]
    for row in _ROWS:
        values = _values(contenders, row)
        if any(value is not None for value in values.values()):
            own = compared.get(row.title, {})
            last = [f"{own[name]:.2f}" if name in own else "" for name in ("peer", "floor")]
            lines.append(_line([row.title, *map(_shown, values.values()), *last]))
    return "\n".join([*lines, "", *_legend(contenders)]) + "\n"


def ratios(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By row, the daemon to the best peer and to the floor; below 1 it is ahead."""
    contenders: Mapping[str, Any] = report["contenders"]
    found = {}
    for row in _ROWS:
        values = _values(contenders, row)
        own = values.get(_DAEMON)
        others = {"peer": _best_peer(contenders, values, row), "floor": values.get(_FLOOR)}
        if own and row.title not in _NOT_COMPARED:
            found[row.title] = {
                name: other / own if row.more_is_better else own / other
                for name, other in others.items()
                if other
            }
    return {title: some for title, some in found.items() if some}


def _values(contenders: Mapping[str, Any], row: _Row) -> dict[str, float | None]:
    return {name: _value(facts, row) for name, facts in contenders.items()}


def _value(facts: Mapping[str, Any], row: _Row) -> float | None:
    figure = facts.get(row.figure)
    if isinstance(figure, Mapping):
        figure = figure.get(row.part or "")
    return None if figure is None else float(figure)


def _best_peer(
    contenders: Mapping[str, Any], values: Mapping[str, float | None], row: _Row
) -> float | None:
    """Of those that did all that they were asked."""
    peers = [
        value
        for name, value in values.items()
        if value and contenders[name]["is_peer"] and not _has_failed(contenders[name], row)
    ]
    if not peers:
        return None
    return max(peers) if row.more_is_better else min(peers)


def _has_failed(facts: Mapping[str, Any], row: _Row) -> bool:
    return row.figure == "clients" and facts["clients"]["failed"] > 0


def _legend(contenders: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, facts in contenders.items():
        packages = f" ({', '.join(facts['packages'])})" if facts["packages"] else ""
        lines.append(f"- {name}: {facts['what']}{packages}")
        if facts["failed"]:
            lines.append(f"  - failed: {facts['failed']}")
        if facts.get("clients", {}).get("failed"):
            lines.append(f"  - with 10 clients: {facts['clients']['first_failure']}")
    return lines


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
