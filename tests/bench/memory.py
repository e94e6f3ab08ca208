"""What the daemon holds: when it is ready, after 1,000 searches, after 1,000 stores, at rest."""

import time
from typing import Any

from bench.figures import disk_mb, memory_mb
from bench.stand import QUERY_WORDS, Options, Stand, stand
from bench.texts import texts

_LOOKS = 40
_REST_S = 10.0


def run(options: Options) -> dict[str, Any]:
    n = options.count(1_000, 100)
    begun = time.monotonic()
    timeline: list[dict[str, Any]] = []

    def look(measured: Stand, doing: str) -> dict[str, float]:
        held = memory_mb(measured.daemon.pid)
        timeline.append({"at_s": round(time.monotonic() - begun, 2), "doing": doing, **held})
        return held

    with stand(options) as measured:
        ready = look(measured, "ready")
        for number, query in enumerate(texts(n, words=QUERY_WORDS, seed=options.seed + 4), 1):
            measured.knowledge.search(query)
            if number % max(1, n // _LOOKS) == 0:
                look(measured, "searches")
        searched = look(measured, "searches")
        for number, text in enumerate(texts(n, words=(30, 30), seed=options.seed + 5), 1):
            measured.knowledge.store(text, project_id="written")
            if number % max(1, n // _LOOKS) == 0:
                look(measured, "stores")
        stored = look(measured, "stores")
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            time.sleep(0.5)
            look(measured, "at rest")
        return {
            "entries": options.entries,
            "ready_mb": ready,
            "after_searches_mb": searched,
            "after_stores_mb": stored,
            "most_resident_mb": max(seen["resident"] for seen in timeline),
            "at_rest_mb": look(measured, "at rest"),
            "disk_mb": disk_mb(measured.table_folder),
            "timeline": timeline,
        }
