"""What is promised of each figure, and whether it was held."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    what: str
    path: str
    """Where the figure stands in the parts of a report, keys parted by dots."""
    limit: float
    unit: str
    least: bool = False
    """The figure has to reach the limit, not to stay below it."""

    @property
    def holds(self) -> Callable[[float, float], bool]:
        return operator.ge if self.least else operator.lt

    def in_words(self) -> str:
        return f"{'at least' if self.least else 'under'} {self.limit:g} {self.unit}".strip()


def _at_scale(n_entries: int, *, p95_ms: float) -> Iterator[Goal]:
    """Without the embedding of the query."""
    for which in ("plain", "one project of 50"):
        path = f"scale.{n_entries}.in_one_process.searches.{which}"
        what = f"{n_entries:,} entries, {which}"
        yield Goal(f"{what}, p95", f"{path}.ms.p95", p95_ms, "ms")
        yield Goal(f"{what}, recall@10", f"{path}.recall", 0.98, "", least=True)


GOALS: Sequence[Goal] = (
    Goal("ready after process start", "start.ready_s.p50", 2, "s"),
    Goal(
        "resident after 1,000 searches and 1,000 stores",
        "memory.after_stores_mb.resident",
        180,
        "MB",
    ),
    Goal(
        "new query, p50 over the bare engine's, by meaning",
        "searches.ratios.vector_to_bare",
        1.15,
        "",
    ),
    Goal(
        "new query, p50 over the bare engine's, hybrid", "searches.ratios.hybrid_to_bare", 1.15, ""
    ),
    Goal("new query, hybrid, p95", "searches.ms.hybrid.p95", 50, "ms"),
    Goal("the same query again, p50", "searches.ms.again.p50", 3, "ms"),
    Goal("`get` over NDJSON, p50", "wire.ndjson_ms.get.p50", 1, "ms"),
    Goal("the same `get` again, p50", "wire.ndjson_ms.get_again.p50", 1, "ms"),
    Goal("`ping` over NDJSON, p50", "wire.ndjson_ms.ping.p50", 0.2, "ms"),
    Goal("store one of 30 words, p50", "writes.single.30.ms.p50", 30, "ms"),
    Goal("store one of 30 words, p95", "writes.single.30.ms.p95", 50, "ms"),
    Goal(
        "batch of 100 of 30 words, rate over the bare model's",
        "writes.batch_of_100.30.rate_to_bare_embedding",
        0.95,
        "",
        least=True,
    ),
    Goal("batch of 100 of 30 words, p50", "writes.batch_of_100.30.ms.p50", 500, "ms"),
    Goal(
        "import, rate over the bare model's",
        "importing.rate_to_bare_embedding",
        0.9,
        "",
        least=True,
    ),
    Goal(
        "10 clients, rate over the bare engine's",
        "clients.clients.10.rate_to_bare",
        0.9,
        "",
        least=True,
    ),
    Goal("10 clients, p95", "clients.clients.10.ms.p95", 250, "ms"),
    *_at_scale(100_000, p95_ms=60),
    *_at_scale(1_000_000, p95_ms=100),
    Goal("resident, 100,000 entries", "scale.100000.over_the_socket.resident_mb", 250, "MB"),
    Goal("CPU at rest", "rest.percent_of_a_core", 0.2, "% of a core"),
)


def judged(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal with its figure; None where it was not measured."""
    return [_judged(goal, figure(parts, goal.path)) for goal in GOALS]


def figure(parts: Mapping[str, Any], path: str) -> float | None:
    found: Any = parts
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return float(found)


def _judged(goal: Goal, measured: float | None) -> dict[str, Any]:
    return {
        "what": goal.what,
        "goal": goal.in_words(),
        "limit": goal.limit,
        "least": goal.least,
        "measured": measured,
        "held": None if measured is None else goal.holds(measured, goal.limit),
    }
