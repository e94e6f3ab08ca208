"""The figures of docs/KNOWLEDGE_PERFORMANCE_REPORT.md, from the report that is kept beside it.

`scripts/bench --page FILE...` keeps that report and writes them anew; all else there is by hand.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.baselines.table import table as comparison
from bench.goals import judged

_ROOT = Path(__file__).parents[2]
PAGE = _ROOT / "docs/KNOWLEDGE_PERFORMANCE_REPORT.md"
KEPT = _ROOT / "docs/performance/report.json"

_MARKED = re.compile(r"(<!-- figures: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NOTHING = "Not measured yet."
_PICTURES = {
    "goals": "Each figure as a share of its limit",
    "memory": "Memory over time",
    "searches": "Searches by kind",
    "calls": "Small calls by kind",
    "clients": "Clients and operations a second",
}
"""By the place that they stand in, of which `plots.py` makes a file of the same name."""

Report = Mapping[str, Any]


def with_figures(page: str, report: Report) -> str:
    """The page with every marked place filled in. Raises KeyError for a place nobody knows."""

    def filled(place: re.Match[str]) -> str:
        lines = PLACES[place[2]](report)
        if lines and place[2] in _PICTURES:
            lines += ["", f"![{_PICTURES[place[2]]}](performance/{place[2]}.svg)"]
        return place[1] + "\n" + "\n".join(lines or [_NOTHING]) + "\n\n" + place[3]

    return _MARKED.sub(filled, page)


def merged(reports: Sequence[Report]) -> dict[str, Any]:
    """The first, with the parts of the others; of a part that several have, the last one's."""
    parts = {name: part for report in reports for name, part in report["parts"].items()}
    return {**reports[0], "parts": parts, "goals": judged(parts)}


def write(report: Report) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(report, indent=1) + "\n")
    PAGE.write_text(with_figures(PAGE.read_text("utf-8"), report))


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *lines] if lines else []


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _part(report: Report, name: str) -> Report:
    found: Report = report["parts"].get(name, {})
    return found


def _machine(report: Report) -> list[str]:
    on, versions, options = report["machine"], report["versions"], report["options"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    hardware = f"{on['cores']} cores of {on['cpu']}, {on['memory_mb'] / 1000:.0f} GB"
    return [
        f"{hardware}, {on['system']} {on['kernel']}.",
        f"{packages}.",
        f"Revision `{report['revision']}`, {options['entries']:,} entries, seed {options['seed']}.",
        f"When it began, {on['load_1_min']} other processes wanted a core (load over a minute).",
    ]


def _goals(report: Report) -> list[str]:
    return _table(
        ("figure", "goal", "measured", "held"),
        ((one["what"], one["goal"], one["measured"], one["held"]) for one in report["goals"]),
    )


_SPREAD = ("p50", "p95", "p99")


def _spreads(of: Mapping[str, Report]) -> list[str]:
    return _table(
        ("", "p50 ms", "p95 ms", "p99 ms", "a second"),
        ((name, *(ms[rank] for rank in _SPREAD), ms["rate"]) for name, ms in of.items()),
    )


def _calls(report: Report) -> list[str]:
    return _spreads(_part(report, "calls").get("ms", {}))


def _searches(report: Report) -> list[str]:
    return _spreads(_part(report, "searches").get("ms", {}))


def _ratios(part: str) -> Callable[[Report], list[str]]:
    def lines(report: Report) -> list[str]:
        ratios: Report = _part(report, part).get("ratios", {})
        return _table(("ratio of the medians", ""), ratios.items())

    return lines


def _writes(report: Report) -> list[str]:
    part = _part(report, "writes")
    rows = [
        (f"{kind} of {words} words", ms["ms"]["p50"], ms["ms"]["p95"], ms["bare_ms"]["p50"])
        for kind, key in (("one", "single"), ("100", "batch_of_100"))
        for words, ms in part.get(key, {}).items()
    ]
    return _table(("store", "p50 ms", "p95 ms", "bare p50 ms"), rows)


def _start(report: Report) -> list[str]:
    part = _part(report, "start")
    if not part:
        return []
    rows = [
        ("ready", part["ready_s"]["p50"], part["ready_s"]["max"]),
        ("first hit", part["first_hit_s"]["p50"], part["first_hit_s"]["max"]),
        ("CPU until then", part["cpu_s"]["p50"], part["cpu_s"]["max"]),
    ]
    return _table(("after process start", "median s", "most s"), rows)


def _memory(report: Report) -> list[str]:
    part = _part(report, "memory")
    moments = {
        "ready": "ready_mb",
        "after the searches": "after_searches_mb",
        "after the stores": "after_stores_mb",
        "ten seconds later": "at_rest_mb",
    }
    rows = [
        (name, part[key]["resident"], part[key]["proportional"], part[key]["private"])
        for name, key in moments.items()
        if part
    ]
    return _table(("", "resident MB", "proportional MB", "private MB"), rows)


def _clients(report: Report) -> list[str]:
    rows = [
        (
            *(number, of["rate"], of["bare_rate"], of["rate_to_bare"]),
            *(of["ms"]["p50"], of["ms"]["p95"]),
            *(of["errors"], of["lost"], of["twice"]),
        )
        for number, of in _part(report, "clients").get("clients", {}).items()
    ]
    titles = ("clients", "a second", "bare", "ratio", "p50 ms", "p95 ms", "errors", "lost", "twice")
    return _table(titles, rows)


def _wire(report: Report) -> list[str]:
    part = _part(report, "wire")
    kinds = ("ndjson_ms", "http_ms", "client_ms", "async_client_ms")
    names = part.get("ndjson_ms", {})
    rows = [
        (name, *(part[kind][name]["p50"] if name in part[kind] else None for kind in kinds))
        for name in names
    ]
    return _table(("p50 ms", "NDJSON", "HTTP", "client", "asyncio client"), rows)


def _stages(report: Report) -> list[str]:
    stages: Report = _part(report, "wire").get("stages_us", {})
    names = ("parse", "check", "work", "serialise", "dispatch", "all")
    rows = [(call, *(of[name] for name in names)) for call, of in stages.items()]
    return _table(("median µs", *names), rows)


def _scale(report: Report) -> list[str]:
    rows = [
        (
            *(int(n_rows), filtered, of["recall"]),
            *(of["ms"]["p50"], of["ms"]["p95"], of["exact_ms"]["p50"]),
        )
        for n_rows, table in _part(report, "scale").items()
        for filtered, of in table["in_one_process"]["searches"].items()
    ]
    titles = ("entries", "of", "recall@10", "p50 ms", "p95 ms", "comparing all, p50 ms")
    return _table(titles, rows)


def _scale_served(report: Report) -> list[str]:
    rows = [
        (
            *(int(n_rows), table["over_the_socket"]["ready_s"]),
            *(table["over_the_socket"]["search_ms"][mode]["p50"] for mode in ("vector", "hybrid")),
            *(table["over_the_socket"]["store_ms"][rank] for rank in ("p50", "p95")),
            table["over_the_socket"]["resident_mb"],
        )
        for n_rows, table in _part(report, "scale").items()
    ]
    titles = ("ready s", "by meaning, p50 ms", "hybrid, p50 ms", "store p50 ms", "store p95 ms")
    return _table(("entries", *titles, "resident MB"), rows)


def _peers(report: Report) -> list[str]:
    part = _part(report, "peers")
    return comparison(part).splitlines() if part else []


def _others(part: str) -> Callable[[Report], list[str]]:
    """Of parts whose figures are one level of names and numbers, or two."""

    def lines(report: Report) -> list[str]:
        return _table(("figure", ""), _flat(_part(report, part)))

    return lines


def _flat(figures: Report, above: str = "") -> Iterable[tuple[str, object]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} ")
        elif isinstance(value, int | float):
            yield f"{above}{name}".replace("_", " "), value


PLACES: Mapping[str, Callable[[Report], list[str]]] = {
    "machine": _machine,
    "goals": _goals,
    "start": _start,
    "memory": _memory,
    "embedding": _others("embedding"),
    "writes": _writes,
    "importing": _others("importing"),
    "searches": _searches,
    "search ratios": _ratios("searches"),
    "scale": _scale,
    "scale served": _scale_served,
    "calls": _calls,
    "wire": _wire,
    "stages": _stages,
    "clients": _clients,
    "rest": _others("rest"),
    "peers": _peers,
    "limits": _others("limits"),
}
