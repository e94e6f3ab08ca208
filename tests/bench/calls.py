"""The small calls: get, query, count, ping; through the client, in turn with bare reads."""

import itertools
import random
from collections.abc import Callable
from typing import Any

from bench.bare import Bare
from bench.figures import ms, ratio, spread
from bench.stand import PROJECTS, Options, stand


def run(options: Options) -> dict[str, Any]:
    with stand(options) as measured, Bare(measured.table_folder) as bare:
        knowledge = measured.knowledge
        ids = measured.ids(options.count(1_000, 100))
        n = len(ids)
        first_id, any_id = iter(ids).__next__, itertools.cycle(ids).__next__
        random_source = random.Random(options.seed)
        projects = itertools.cycle(f"project-{number}" for number in range(PROJECTS))
        calls: dict[str, Callable[[], object]] = {
            "ping": knowledge.ping,
            "get": lambda: knowledge.get([first_id()]),
            "bare_get": lambda: bare.get(any_id()),
            "get_again": lambda: knowledge.get([ids[0]]),
            "get_10": lambda: knowledge.get(random_source.sample(ids, min(10, n))),
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
