"""New queries in each mode, filtered, repeated, and as a context; in turn with the bare ones."""

import array
import operator
from collections.abc import Callable
from typing import Any

from bench.bare import Bare
from bench.figures import ms, ratio, spent, spread
from bench.stand import QUERY_WORDS, Options, Stand, stand
from bench.texts import texts
from cco_knowledge_client import KnowledgeClient

_LIMIT = 10


def run(options: Options) -> dict[str, Any]:
    n = options.count(300, 60)
    with stand(options) as measured, Bare(measured.table_folder) as bare:
        kinds = _kinds(measured.knowledge, bare)
        queries = iter(texts((n + 5) * len(kinds), words=QUERY_WORDS, seed=options.seed + 1))
        for _ in range(5):  # what is read for the first time
            for search in kinds.values():
                search(next(queries))
        samples: dict[str, list[float]] = {kind: [] for kind in kinds}
        with spent(measured.daemon.pid) as taken:
            for _ in range(n):
                for kind, search in kinds.items():
                    samples[kind].append(ms(search, next(queries)))
        again = _again(measured.knowledge, options)
        return {
            "ms": {kind: spread(of_kind) for kind, of_kind in samples.items()}
            | {"again": spread(again)},
            **taken.figures(),
            "recall_at_10": _recall(measured, bare, options),
            "ratios": {
                "vector_to_bare": ratio(samples["vector"], samples["bare_vector"]),
                "hybrid_to_bare": ratio(samples["hybrid"], samples["bare_hybrid"]),
                "hybrid_to_vector": ratio(samples["hybrid"], samples["vector"]),
                "filtered_to_hybrid": ratio(samples["in_one_project"], samples["hybrid"]),
                "again_to_bare": ratio(again, samples["bare_vector"]),
            },
        }


def _kinds(knowledge: KnowledgeClient, bare: Bare) -> dict[str, Callable[[str], object]]:
    """In such an order that what is compared is beside each other."""
    return {
        "bare_vector": bare.search,
        "vector": lambda query: knowledge.search(query, limit=_LIMIT, mode="vector"),
        "hybrid": lambda query: knowledge.search(query, limit=_LIMIT),
        "bare_hybrid": bare.search_both,
        "text": lambda query: knowledge.search(query, limit=_LIMIT, mode="text"),
        "in_one_project": lambda query: knowledge.search(
            query, limit=_LIMIT, project_id="project-7"
        ),
        "context": knowledge.context,
    }


def _again(knowledge: KnowledgeClient, options: Options) -> list[float]:
    """Each of some queries many times; the first time is not counted."""
    samples = []
    for query in texts(5, words=QUERY_WORDS, seed=options.seed + 2):
        knowledge.search(query, limit=_LIMIT)
        samples += [ms(knowledge.search, query, limit=_LIMIT) for _ in range(40)]
    return samples


def _recall(measured: Stand, bare: Bare, options: Options) -> float:
    """Of the ten that an exact comparison with every vector gives, by mode `vector`."""
    ids, packed = bare.vectors()
    vectors = [array.array("f", vector) for vector in packed]
    n_found = n_asked = 0
    for query in texts(options.count(20, 5), words=QUERY_WORDS, seed=options.seed + 3):
        asked = array.array("f", bare.model.embed(query))
        cosines = [sum(map(operator.mul, asked, vector)) for vector in vectors]
        best = sorted(range(len(ids)), key=cosines.__getitem__, reverse=True)[:_LIMIT]
        hits = measured.knowledge.search(query, limit=_LIMIT, mode="vector")
        n_found += len({ids[at] for at in best} & {hit.id for hit in hits})
        n_asked += len(best)
    return round(n_found / n_asked, 4)
