"""The figures of a daemon, from what it counted at two moments. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Self

from kmctl.scrape import Sample

_PREFIX = "cco_knowledge_"
Buckets = Sequence[tuple[float, float]]
"""The bounds of a histogram, the last one infinite, each with how many were at most that."""


@dataclass(frozen=True, slots=True)
class Method:
    calls_per_s: float | None
    errors_per_s: float | None
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Embedding:
    queue: int
    busy_threads: float | None
    texts_per_s: float | None
    passages_per_s: float | None
    tokens_per_s: float | None
    cache_hit_share: float | None
    cache_entries: int


@dataclass(frozen=True, slots=True)
class Store:
    commits_per_s: float | None
    commit_p95_s: float | None
    rows_per_s: float | None
    compactions: int
    compaction_failures: int


@dataclass(frozen=True, slots=True)
class Table:
    fragments: int
    versions: int
    unindexed_rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Process:
    rss_bytes: int
    busy_cores: float | None
    threads: int | None
    open_files: int
    loop_lag_s: float | None
    disk_free_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What happened is told of the time since the scrape before; None where that cannot be."""

    version: str
    model: str | None
    ready: bool
    uptime_s: float
    interval_s: float | None
    connections: int
    unanswered: int
    calls_per_s: float | None
    errors_per_s: float | None
    wait_p50_s: float | None
    wait_p95_s: float | None
    errors_by_outcome: dict[str, float | None]
    """A second, by outcome; those that this daemon has had."""
    methods: dict[str, Method]
    """Those that have been called."""
    embedding: Embedding | None
    """None while the daemon loads, as the store."""
    store: Store | None
    table: Table | None
    """None also when the table cannot be asked."""
    process: Process


@dataclass(frozen=True, slots=True)
class Seen:
    at: datetime
    pid: int
    reading: Reading


class Scraped:
    """The samples of one scrape, by name."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            self._by_name.setdefault(sample.name.removeprefix(_PREFIX), []).append(sample)

    @classmethod
    def nothing(cls) -> Self:
        return cls(())

    def has(self, name: str) -> bool:
        return name in self._by_name

    def total(self, name: str, where: Callable[[dict[str, str]], bool] = lambda _: True) -> float:
        return sum(sample.value for sample in self._by_name.get(name, ()) if where(sample.labels))

    def labels(self, name: str, label: str) -> list[str]:
        """The values that a label has, in order."""
        return sorted({sample.labels[label] for sample in self._by_name.get(name, ())})

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sum of each value that a label has, in order."""
        sums = dict.fromkeys(self.labels(name, label), 0.0)
        for sample in self._by_name.get(name, ()):
            sums[sample.labels[label]] += sample.value
        return sums

    def buckets(self, name: str, labels: dict[str, str]) -> Buckets:
        """Empty where there is no such histogram yet."""
        return sorted(
            (float(sample.labels["le"]), sample.value)
            for sample in self._by_name.get(f"{name}_bucket", ())
            if labels.items() <= sample.labels.items()
        )


def quantile(share: float, buckets: Buckets) -> float | None:
    """As Prometheus estimates it: values lie evenly between two bounds.

    What is above the last finite bound counts as that bound. None where nothing was counted.
    """
    n_all = buckets[-1][1] if buckets else 0.0
    if n_all <= 0:
        return None
    wanted = share * n_all
    for (low, n_below), (high, n_at_most) in pairwise([(0.0, 0.0), *buckets]):
        if n_at_most >= wanted and n_at_most > n_below:
            if math.isinf(high):
                return low
            return low + (high - low) * (wanted - n_below) / (n_at_most - n_below)
    return None


def reading_of(now: Scraped, before: Scraped | None) -> Reading:
    """`before` is of the same daemon, a while ago."""
    return _Interval(now, before).reading()


class _Interval:
    """From `before` to `now`. Without a before nothing is known of what happened."""

    def __init__(self, now: Scraped, before: Scraped | None) -> None:
        self._now = now
        self._before = before or Scraped.nothing()
        passed_s = self._grown("uptime_seconds") if before else 0.0
        self._seconds = passed_s if passed_s > 0 else None

    def reading(self) -> Reading:
        now = self._now
        (model,) = now.labels("build_info", "model") or [""]
        (version,) = now.labels("build_info", "version") or [""]
        failed = [outcome for outcome in now.labels("calls_total", "outcome") if outcome != "ok"]
        return Reading(
            version=version,
            model=model or None,
            ready=bool(now.total("ready")),
            uptime_s=now.total("uptime_seconds"),
            interval_s=self._seconds,
            connections=int(now.total("connections")),
            unanswered=int(now.total("requests_in_progress")),
            calls_per_s=self._rate("calls_total"),
            errors_per_s=self._rate("calls_total", lambda labels: labels["outcome"] != "ok"),
            wait_p50_s=self._quantile(0.5, "call_queue_seconds"),
            wait_p95_s=self._quantile(0.95, "call_queue_seconds"),
            errors_by_outcome={outcome: self._errors_per_s(outcome) for outcome in failed},
            methods={name: self._method(name) for name in now.labels("calls_total", "method")},
            embedding=self._embedding() if now.has("embedding_queue_length") else None,
            store=self._store() if now.has("commits_total") else None,
            table=self._table() if now.has("table_fragments") else None,
            process=self._process(),
        )

    def _method(self, name: str) -> Method:
        def is_its(labels: dict[str, str]) -> bool:
            return labels["method"] == name

        return Method(
            calls_per_s=self._rate("calls_total", is_its),
            errors_per_s=self._rate(
                "calls_total", lambda labels: is_its(labels) and labels["outcome"] != "ok"
            ),
            p50_s=self._quantile(0.5, "call_seconds", method=name),
            p95_s=self._quantile(0.95, "call_seconds", method=name),
        )

    def _embedding(self) -> Embedding:
        hits = self._grown("embedding_cache_hits_total")
        texts = hits + self._grown("embedding_cache_misses_total")
        return Embedding(
            queue=int(self._now.total("embedding_queue_length")),
            busy_threads=self._rate("embedding_seconds_total"),
            texts_per_s=self._per_s(texts),
            passages_per_s=self._rate("passages_embedded_total"),
            tokens_per_s=self._rate("tokens_embedded_total"),
            cache_hit_share=hits / texts if self._seconds and texts > 0 else None,
            cache_entries=int(self._now.total("embedding_cache_entries")),
        )

    def _store(self) -> Store:
        return Store(
            commits_per_s=self._rate("commits_total"),
            commit_p95_s=self._quantile(0.95, "commit_seconds"),
            rows_per_s=self._rate("committed_rows_total"),
            compactions=int(self._now.total("compactions_total")),
            compaction_failures=int(self._now.total("compaction_failures_total")),
        )

    def _table(self) -> Table:
        return Table(
            fragments=int(self._now.total("table_fragments")),
            versions=int(self._now.total("table_versions")),
            unindexed_rows=int(self._now.total("table_unindexed_rows")),
            bytes=int(self._now.total("table_bytes")),
        )

    def _process(self) -> Process:
        rings = self._grown("event_loop_lag_seconds_count")
        late_s = self._grown("event_loop_lag_seconds_sum")
        return Process(
            rss_bytes=int(self._now.total("resident_memory_bytes")),
            busy_cores=self._rate("cpu_seconds_total"),
            threads=int(self._now.total("threads")) or None,
            open_files=int(self._now.total("open_files")),
            loop_lag_s=late_s / rings if self._seconds and rings > 0 else None,
            disk_free_bytes=int(self._now.total("disk_free_bytes")),
        )

    def _errors_per_s(self, outcome: str) -> float | None:
        return self._rate("calls_total", lambda labels: labels["outcome"] == outcome)

    def _rate(
        self, name: str, where: Callable[[dict[str, str]], bool] = lambda _: True
    ) -> float | None:
        return self._per_s(self._grown(name, where))

    def _per_s(self, count: float) -> float | None:
        return count / self._seconds if self._seconds else None

    def _grown(self, name: str, where: Callable[[dict[str, str]], bool] = lambda _: True) -> float:
        return self._now.total(name, where) - self._before.total(name, where)

    def _quantile(self, share: float, name: str, **labels: str) -> float | None:
        if self._seconds is None:
            return None
        earlier = dict(self._before.buckets(name, labels))
        grown = [
            (bound, count - earlier.get(bound, 0.0))
            for bound, count in self._now.buckets(name, labels)
        ]
        return quantile(share, grown)
