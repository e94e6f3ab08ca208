"""From two scrapes to figures, and from figures to lines: pure, so without a daemon."""

from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.embedding.engine import EngineFacts
from cco_knowledge.metrics import BOUNDS_S, CallCounts, Durations, EmbeddingWork, StoreWork
from cco_knowledge.rpc.exposition import exposition
from cco_knowledge.rpc.snapshot import EngineSeen, Snapshot, StoreSeen
from cco_knowledge.types import StoreFacts
from kmctl.scrape import samples_of
from kmctl.top import layout
from kmctl.top.layout import lines_of, plain
from kmctl.top.reading import Reading, Scraped, Seen, quantile, reading_of

INTERVAL_S = 2.0
METHODS = ("knowledge.search", "knowledge.store", "system.ping")
OUTCOMES = ("ok", "overloaded", "invalid_params")

seconds = st.floats(0.0, 40.0)
calls = st.lists(
    st.tuples(st.sampled_from(METHODS), st.sampled_from(OUTCOMES), seconds, seconds), max_size=12
)
widths = st.integers(20, 200)
heights = st.integers(1, 60)


def snapshot(uptime_s: float, counts: CallCounts | None = None, *, loaded: bool = True) -> Snapshot:
    engine = EngineSeen("a-model", EngineFacts(2, 3, 100, 30, 10), EmbeddingWork(20, 400, 1.5))
    table = StoreFacts(12_345_678, live_bytes=9_876_543, fragments=4, versions=5, unindexed_rows=6)
    return Snapshot(
        uptime_s=uptime_s,
        calls=counts or CallCounts(),
        in_progress=1,
        jobs={},
        n_unfinished_jobs=0,
        connections=2,
        loop_lag=Durations(),
        resident_bytes=400_000_000,
        cpu_s=uptime_s / 4,
        n_threads=7,
        open_files=8,
        disk_free_bytes=10**11,
        engine=engine if loaded else None,
        store=StoreSeen(StoreWork(), table, is_full=False) if loaded else None,
        backups=None,
        redactions={},
    )


def scraped(seen: Snapshot) -> Scraped:
    return Scraped(samples_of(exposition(seen).decode()))


def counted(made: list[tuple[str, str, float, float]]) -> CallCounts:
    counts = CallCounts()
    for method, outcome, waited_s, worked_s in made:
        counts.count(method, outcome, waited_s, worked_s)
    return counts


def reading_between(
    earlier: list[tuple[str, str, float, float]], later: list[tuple[str, str, float, float]]
) -> Reading:
    before = snapshot(10.0, counted(earlier))
    return reading_of(
        scraped(snapshot(10.0 + INTERVAL_S, counted([*earlier, *later]))), scraped(before)
    )


def bounds_around(value: float) -> tuple[float, float]:
    """Of the bucket that it fell into. What is above all bounds counts as the last."""
    index = bisect_left(BOUNDS_S, value)
    low = BOUNDS_S[index - 1] if index else 0.0
    return low, BOUNDS_S[min(index, len(BOUNDS_S) - 1)]


@given(calls, calls)
def test_only_what_came_between_counts(
    earlier: list[tuple[str, str, float, float]], later: list[tuple[str, str, float, float]]
) -> None:
    reading = reading_between(earlier, later)
    assert reading.interval_s == INTERVAL_S
    assert reading.calls_per_s == len(later) / INTERVAL_S
    failed = [outcome for _, outcome, *_ in later if outcome != "ok"]
    assert reading.errors_per_s == len(failed) / INTERVAL_S
    for outcome, per_s in reading.errors_by_outcome.items():
        assert per_s == failed.count(outcome) / INTERVAL_S
    assert set(reading.errors_by_outcome) == {o for _, o, *_ in [*earlier, *later]} - {"ok"}
    assert list(reading.methods) == sorted({name for name, *_ in [*earlier, *later]})
    for name, method in reading.methods.items():
        assert method.calls_per_s == [each[0] for each in later].count(name) / INTERVAL_S


@given(calls, calls)
def test_percentiles_lie_in_the_bucket_of_the_true_ones(
    earlier: list[tuple[str, str, float, float]], later: list[tuple[str, str, float, float]]
) -> None:
    reading = reading_between(earlier, later)
    for name, method in reading.methods.items():
        worked = sorted(worked_s for called, _, _, worked_s in later if called == name)
        for share, estimate in ((0.5, method.p50_s), (0.95, method.p95_s)):
            if not worked:
                assert estimate is None
                continue
            true = next(s for n, s in enumerate(worked, 1) if n >= share * len(worked))
            low, high = bounds_around(true)
            assert estimate is not None
            assert low <= estimate <= high


@given(st.lists(seconds, min_size=1), st.lists(st.floats(0.0, 1.0), min_size=2))
def test_a_larger_share_is_not_reached_earlier(observed: list[float], shares: list[float]) -> None:
    durations = Durations()
    for value in observed:
        durations.observe(value)
    bounds = [*BOUNDS_S, float("inf")]
    buckets = list(zip(bounds, map(float, accumulate(durations.counts)), strict=True))
    reached = [quantile(share, buckets) for share in sorted(shares)]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(reached))


def test_without_a_scrape_before_nothing_is_known_of_what_happened() -> None:
    reading = reading_of(scraped(snapshot(10.0, counted([("system.ping", "ok", 0.1, 0.1)]))), None)
    assert reading.interval_s is None
    assert reading.calls_per_s is reading.wait_p95_s is reading.process.busy_cores is None
    assert reading.methods["system.ping"].p50_s is None
    assert reading.embedding is not None
    assert (reading.embedding.queue, reading.embedding.cache_hit_share) == (3, None)
    assert reading.table is not None
    assert reading.table.unindexed_rows == 6


def test_a_daemon_that_loads() -> None:
    loading = scraped(snapshot(1.0, loaded=False))
    reading = reading_of(loading, None)
    assert (reading.ready, reading.model) == (False, None)
    assert (reading.embedding, reading.store, reading.table) == (None, None, None)
    ready = reading_of(scraped(snapshot(1.0 + INTERVAL_S)), loading)
    assert ready.ready
    assert ready.embedding is not None
    assert ready.embedding.tokens_per_s == 400 / INTERVAL_S
    assert ready.embedding.cache_hit_share == 0.75
    assert ready.process.busy_cores == 0.25


def seen(reading: Reading) -> Seen:
    return Seen(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 4242, reading)


@given(calls, widths, heights)
def test_lines_keep_to_the_screen(
    made: list[tuple[str, str, float, float]], width: int, height: int
) -> None:
    lines = lines_of(seen(reading_between([], made)), width, height, note="q ends")
    assert len(lines) <= height
    assert all(len(line) <= max(40, width) for line in plain(lines).splitlines())


@given(calls, widths)
def test_every_figure_is_shown_whatever_the_width(
    made: list[tuple[str, str, float, float]], width: int
) -> None:
    reading = reading_between([], made)
    text = plain(lines_of(seen(reading), width))
    labels = ("calls/s", "tokens/s", "cache hits", "commits/s", "unindexed", "loop lag", "threads")
    for shown in ("pid 4242", "up 0:00:12", "400.0 MB", "12.3 MB", *labels, *reading.methods):
        assert shown[:14] in text


def test_what_is_little_called_gives_way() -> None:
    made = [("knowledge.search", "ok", 0.0, 0.0)] * 3 + [("system.ping", "ok", 0.0, 0.0)] * 5
    reading = reading_between([], [*made, ("knowledge.store", "ok", 0.0, 0.0)])
    whole = lines_of(seen(reading), 100)
    cut = plain(lines_of(seen(reading), 100, len(whole) - 1))
    assert "knowledge.search" in cut
    assert "system.ping" in cut
    assert "knowledge.store" not in cut


def test_what_is_wrong_stands_out() -> None:
    reading = reading_between([], [("system.ping", "overloaded", 0.0, 0.0)])
    assert reading.store is not None
    broken = replace(reading, store=replace(reading.store, compaction_failures=2), table=None)
    loud = {
        span.text.split()[0]
        for line in lines_of(seen(broken), 100)
        for span in line
        if span.style == layout.ALARM
    }
    assert loud == {"errors/s", "overloaded", "failed", "table", "system.ping"}


def test_control_characters_of_a_daemon_do_not_reach_the_terminal() -> None:
    reading = replace(reading_between([], []), model="a\x1b[2Jmodel", version="1\x07")
    assert "\x1b" not in plain(lines_of(seen(reading), 100))
    assert "\x07" not in plain(lines_of(seen(reading), 100))
    hostile = plain(layout.notice("No daemon\x1b[2J answers.", 100))
    assert "\x1b" not in hostile


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (10**17, "100000.0 TB"),
    ],
)
def test_sizes(value: int, shown: str) -> None:
    assert layout.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.0004, "0.4 ms"), (0.0999, "99.9 ms"), (0.25, "250 ms"), (30.0, "30.0 s")],
)
def test_durations(value: float | None, shown: str) -> None:
    assert layout.duration(value) == shown
