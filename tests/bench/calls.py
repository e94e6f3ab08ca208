"""The small calls: get, query, count, ping; through the client, in turn with bare reads."""

import itertools
from collections.abc import Callable
from typing import Any

from bench.bare import Bare
from bench.figures import ms, ratio, spread
from bench.stand import PROJECTS, Options, stand


def run(options: Options) -> dict[str, Any]:
    n = options.count(1_000, 100)
    with stand(options) as measured, Bare(measured.table_folder) as bare:
        knowledge = measured.knowledge
        ids = [entry.id for entry in knowledge.query(limit=1_000, order_by="id").results]
        projects = itertools.cycle(f"project-{number}" for number in range(PROJECTS))
        next_id = itertools.cycle(ids).__next__
        calls: dict[str, Callable[[], object]] = {
            "ping": knowledge.ping,
            "get": lambda: knowledge.get([next_id()]),
            "bare_get": lambda: bare.get(next_id()),
            "get_10": lambda: knowledge.get([next_id() for _ in range(10)]),
            "query_20": lambda: knowledge.query(limit=20, project_id=next(projects)),
            "count": lambda: knowledge.query(limit=1, project_id=next(projects)).total,
            "status": knowledge.status,
        }
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(n):
            for name, call in calls.items():
                samples[name].append(ms(call))
        stats = [ms(knowledge.stats) for _ in range(options.count(30, 5))]
        return {
            "ms": {name: spread(of_call) for name, of_call in samples.items()}
            | {"stats": spread(stats)},
            "ratios": {"get_to_bare": ratio(samples["get"], samples["bare_get"])},
        }
