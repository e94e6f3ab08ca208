"""GET /metrics: what the daemon measures."""

import math
import time
from itertools import pairwise
from pathlib import Path

from cco_knowledge import __version__
from cco_knowledge.metrics import CallCounts, Durations
from cco_knowledge.models import DEFAULT_MODEL
from cco_knowledge.rpc.exposition import exposition
from cco_knowledge.rpc.snapshot import Snapshot
from process import Daemon, wait_until
from prometheus_text import get, measured, parsed
from wire import FRAMINGS, answers, request

PREFIX = "cco_knowledge_"


def test_prometheus_understands_all_of_it(shared_daemon: Daemon) -> None:
    reply = get(shared_daemon.socket_path, "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for family in parsed(reply.body.decode()).families.values():
        assert family.name.startswith(PREFIX)
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        for sample in family.samples:
            assert sample.value >= 0


def test_each_call_is_counted_once_under_its_outcome(shared_daemon: Daemon, project: str) -> None:
    def calls(method: str, outcome: str) -> tuple[float, float]:
        return now.value(f"{PREFIX}calls_total", method=method, outcome=outcome), now.value(
            f"{PREFIX}call_seconds_count", method=method
        )

    kinds = [
        ("system.ping", "ok"),
        ("knowledge.get", "invalid_params"),
        ("unknown", "method_not_found"),
        ("unknown", "parse_error"),
    ]
    now = measured(shared_daemon.socket_path)
    before = [calls(*kind) for kind in kinds]
    waited = now.value(f"{PREFIX}call_queue_seconds_count")
    for framing in FRAMINGS:
        batch = [request("system.ping")] * 3 + [{"jsonrpc": "2.0", "method": "system.ping"}]
        answers(shared_daemon.socket_path, framing, batch)
        answers(shared_daemon.socket_path, framing, request("knowledge.get", {"ids": 1}))
        answers(shared_daemon.socket_path, framing, request(f"no.such.{project}"))
        answers(shared_daemon.socket_path, framing, request(f"nor.this.{project}"))
        answers(shared_daemon.socket_path, framing, b"{")
    now = measured(shared_daemon.socket_path)
    after = [calls(*kind) for kind in kinds]
    made = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
    assert made == [(8, 8), (2, 0), (4, 0), (2, 0)]
    assert now.value(f"{PREFIX}call_queue_seconds_count") - waited == 16
    methods = {sample.labels["method"] for sample in now.families[f"{PREFIX}calls"].samples}
    assert not any(project in method for method in methods)


def test_a_store_is_a_commit_and_a_row(shared_daemon: Daemon, project: str) -> None:
    before = measured(shared_daemon.socket_path)
    items = [{"text": f"Metric {n} of {project}.", "project_id": project} for n in range(3)]
    shared_daemon.call("knowledge.store_batch", {"items": items})
    (entry, *_) = shared_daemon.call("knowledge.query", {"project_id": project})["results"]
    shared_daemon.call("knowledge.delete", {"ids": [entry["id"]]})
    after = measured(shared_daemon.socket_path)

    def grown(name: str) -> float:
        return after.value(PREFIX + name) - before.value(PREFIX + name)

    assert grown("commits_total") == grown("commit_seconds_count") == 2
    assert grown("committed_rows_total") == 3
    assert grown("passages_embedded_total") >= 3
    assert grown("tokens_embedded_total") >= 3 * grown("passages_embedded_total")
    assert grown("embedding_seconds_total") > 0
    assert grown("embedding_cache_misses_total") >= 3
    storage = shared_daemon.call("knowledge.stats")["storage"]
    for fact in ("fragments", "unindexed_rows"):
        assert after.value(f"{PREFIX}table_{fact}") == storage[fact]


def test_a_text_that_comes_again_is_a_hit(shared_daemon: Daemon, project: str) -> None:
    def hits() -> float:
        return measured(shared_daemon.socket_path).value(f"{PREFIX}embedding_cache_hits_total")

    before = hits()
    for _ in range(3):
        shared_daemon.call("embedding.embed", {"texts": [f"Again, {project}"]})
    assert hits() - before >= 2


def test_what_the_process_is_like(shared_daemon: Daemon) -> None:
    with shared_daemon.raw():
        now = measured(shared_daemon.socket_path)
    status = shared_daemon.call("system.status")
    assert now.value(f"{PREFIX}build_info", version=__version__, model=DEFAULT_MODEL) == 1
    assert now.value(f"{PREFIX}ready") == 1
    assert now.value(f"{PREFIX}connections") >= 2
    assert now.value(f"{PREFIX}uptime_seconds") <= status["uptime_s"]
    assert now.value(f"{PREFIX}resident_memory_bytes") > 10e6
    assert now.value(f"{PREFIX}disk_free_bytes") > 0
    assert 0 < now.value(f"{PREFIX}cpu_seconds_total") < time.monotonic()
    process = Path(f"/proc/{shared_daemon.pid}")
    if process.exists():
        assert abs(now.value(f"{PREFIX}open_files") - len([*(process / "fd").iterdir()])) < 10
        assert abs(now.value(f"{PREFIX}threads") - len([*(process / "task").iterdir()])) < 10


def test_the_lag_of_the_loop_is_measured_all_the_time(shared_daemon: Daemon) -> None:
    def rings() -> float:
        now = measured(shared_daemon.socket_path)
        return now.value(f"{PREFIX}event_loop_lag_seconds_count")

    before = rings()
    wait_until(lambda: rings() > before)


def test_buckets_hold_what_is_at_most_their_bound() -> None:
    durations = Durations()
    for seconds in (0.001, 0.0011, 0.2, 31.0):
        durations.observe(seconds)
    lag = parsed(exposition(loading(durations)).decode()).families[
        f"{PREFIX}event_loop_lag_seconds"
    ]
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in lag.samples
        if sample.name.endswith("_bucket")
    }
    assert (buckets[0.001], buckets[0.005], buckets[0.25], buckets[30.0]) == (1, 2, 3, 3)
    assert buckets[math.inf] == durations.n == 4
    assert all(a <= b for a, b in pairwise(buckets.values()))


def test_a_daemon_that_is_loading_has_no_table_yet() -> None:
    now = parsed(exposition(loading(Durations())).decode())
    assert now.value(f"{PREFIX}ready") == 0
    assert not any("table" in name or "embedding" in name for name in now.families)


def loading(lag: Durations) -> Snapshot:
    return Snapshot(
        uptime_s=1.0,
        calls=CallCounts(),
        in_progress=0,
        jobs={},
        n_unfinished_jobs=0,
        connections=0,
        loop_lag=lag,
        resident_bytes=1,
        cpu_s=0.0,
        n_threads=1,
        open_files=1,
        disk_free_bytes=1,
        engine=None,
        store=None,
        backups=None,
        redactions={},
    )
