"""A snapshot as Prometheus reads it: the one importer of prometheus-client.

Imported when somebody first asks: most daemons are never scraped.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cco_knowledge import secret_values
from cco_knowledge.jobs import KINDS
from cco_knowledge.metrics import BOUNDS_S, Durations
from cco_knowledge.rpc.snapshot import BackupsSeen, EngineSeen, Snapshot, StoreSeen
from cco_knowledge.types import StoreFacts

_PREFIX = "cco_knowledge_"
_JOB_LABELS = ("kind", "state")


def exposition(seen: Snapshot) -> bytes:
    """Version 0.0.4 of the text format. Takes milliseconds, so call it on a thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(seen))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, seen: Snapshot) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        yield from _process(seen)
        yield from _calls(seen)
        yield from _jobs(seen)
        yield _redactions(seen)
        if seen.engine is not None:
            yield from _embedding(seen.engine)
        if seen.store is not None:
            yield from _commits(seen.store)
            if seen.store.table is not None:
                yield from _table(seen.store.table)
        if seen.backups is not None:
            yield from _backups(seen.backups)


def _process(seen: Snapshot) -> Iterator[Metric]:
    model = seen.engine.model if seen.engine else ""
    yield InfoMetricFamily(
        f"{_PREFIX}build",
        "The daemon's version and the name of its model.",
        value={"version": seen.version, "model": model},
    )
    yield _gauge("ready", "1 once the model and the store are loaded, else 0.", bool(seen.engine))
    yield _gauge("uptime_seconds", "Time since the daemon began to start.", seen.uptime_s)
    yield _gauge("resident_memory_bytes", "Resident memory of the daemon.", seen.resident_bytes)
    yield _counter("cpu_seconds", "Processor time that the daemon has used.", seen.cpu_s)
    yield _gauge(
        "threads", "Threads of the daemon; 0 where the system does not tell.", seen.n_threads
    )
    yield _gauge("open_files", "Open file descriptors, sockets included.", seen.open_files)
    yield _gauge("connections", "Open connections to the socket.", seen.connections)
    yield _gauge(
        "disk_free_bytes", "Free space of the file system of the home.", seen.disk_free_bytes
    )
    yield _histogram(
        "event_loop_lag_seconds",
        "How late a timer of 1 s rang, measured all the time.",
        {(): seen.loop_lag},
    )


def _calls(seen: Snapshot) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        f"{_PREFIX}calls",
        "Calls answered, by outcome: ok, or the reason of the error.",
        labels=["method", "outcome"],
    )
    for labels, count in sorted(seen.calls.outcomes.items()):
        calls.add_metric(labels, count)
    yield calls
    yield _histogram(
        "call_seconds",
        "Time at work, of the calls that reached their handler.",
        {(method,): work for method, work in sorted(seen.calls.work.items())},
        labels=["method"],
    )
    yield _histogram(
        "call_queue_seconds",
        "Time from a call's arrival until its work began.",
        {(): seen.calls.waiting},
    )
    yield _gauge("requests_in_progress", "Requests that are not answered yet.", seen.in_progress)


def _jobs(seen: Snapshot) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        f"{_PREFIX}jobs", "Jobs that have ended, by what they did and became.", labels=_JOB_LABELS
    )
    counts = {(kind, state): 0 for kind in KINDS for state in ("done", "failed")} | dict(seen.jobs)
    for labels, count in sorted(counts.items()):
        ended.add_metric(labels, count)
    yield ended
    yield _gauge("jobs_unfinished", "Jobs that are received or run.", seen.n_unfinished_jobs)


def _redactions(seen: Snapshot) -> Metric:
    redactions = CounterMetricFamily(
        f"{_PREFIX}redactions", "Secrets replaced in what was to be stored.", labels=["kind"]
    )
    counts = dict.fromkeys(secret_values.KINDS, 0) | dict(seen.redactions)
    for kind, count in sorted(counts.items()):
        redactions.add_metric((kind,), count)
    return redactions


def _embedding(engine: EngineSeen) -> Iterator[Metric]:
    facts, work = engine.facts, engine.work
    yield _gauge(
        "embedding_queue_length", "Passages that wait for the model or are with it.", facts.queued
    )
    yield _counter(
        "passages_embedded", "Passages turned into vectors; a short text is one.", work.passages
    )
    yield _counter("tokens_embedded", "Tokens of these passages.", work.tokens)
    yield _counter("embedding_seconds", "Time of all embedding threads at the model.", work.seconds)
    yield _counter("embedding_cache_hits", "Texts whose vectors were kept.", facts.cache_hits)
    yield _counter("embedding_cache_misses", "Texts that were embedded anew.", facts.cache_misses)
    yield _gauge("embedding_cache_entries", "Texts whose vectors are kept.", facts.cache_size)


def _commits(store: StoreSeen) -> Iterator[Metric]:
    work = store.work
    yield _counter("commits", "Commits to the table that are on the disk.", work.commits.n)
    yield _counter("committed_rows", "Rows written as new by these commits.", work.rows)
    yield _histogram(
        "commit_seconds", "Time of a commit, until it is on the disk.", {(): work.commits}
    )
    yield _gauge("storage_full", "1 while stores are refused for want of room.", store.is_full)
    yield _counter("compactions", "Times that small files were folded.", work.compactions)
    yield _counter(
        "compaction_failures", "Times that folding them failed.", work.compaction_failures
    )
    yield _gauge(
        "compaction_failures_in_a_row",
        "Times that folding them failed since it last did not.",
        work.compaction_failures_in_a_row,
    )
    yield _counter(
        "commits_taken_back",
        "Times that the table was set back because the disk had lost a write.",
        work.commits_taken_back,
    )
    yield _counter(
        "indexes_rebuilt", "Indexes made anew because they were damaged.", work.indexes_rebuilt
    )


def _table(table: StoreFacts) -> Iterator[Metric]:
    yield _gauge("table_fragments", "Files that hold the rows of the table.", table.fragments)
    yield _gauge("table_versions", "Versions of the table that are kept.", table.versions)
    yield _gauge(
        "table_unindexed_rows", "Rows that an index does not cover yet.", table.unindexed_rows
    )
    yield _gauge("table_bytes", "Bytes of the table on the disk.", table.bytes)
    yield _gauge(
        "table_live_bytes", "Of these, data and indexes of the present version.", table.live_bytes
    )


def _backups(backups: BackupsSeen) -> Iterator[Metric]:
    yield _counter("backups", "Backups made, asked for or scheduled.", backups.work.made)
    yield _counter("backup_failures", "Backups that failed.", backups.work.failures)
    yield _gauge(
        "newest_backup_timestamp_seconds",
        "When the newest backup in the home was made; 0: there is none.",
        backups.newest_at_s,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    """`_total` is added to the name."""
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def _histogram(
    name: str,
    text: str,
    by_labels: dict[tuple[str, ...], Durations],
    labels: list[str] | None = None,
) -> Metric:
    family = HistogramMetricFamily(_PREFIX + name, text, labels=labels or [])
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    for values, durations in by_labels.items():
        buckets = list(zip(bounds, accumulate(durations.counts), strict=True))
        family.add_metric(values, buckets, durations.sum_s)
    return family
