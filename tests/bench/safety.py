"""What durability and the look for secrets cost: daemons with and without them, in turns."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.figures import ms, ratio, spread
from bench.stand import QUERY_WORDS, TYPICAL_WORDS, Options, copied, filled
from bench.texts import texts
from cco_knowledge_client import KnowledgeClient
from process import Daemon

_LIMIT_S = 600.0
_WITHOUT = ("--set", "store.durability=process", "--set", "secrets.policy=allow")


def run(options: Options) -> dict[str, Any]:
    with ExitStack() as both:
        with_them = both.enter_context(_daemon(options))
        without = both.enter_context(_daemon(options, *_WITHOUT))
        n = options.count(300, 40)
        stores = iter(texts(2 * n, words=TYPICAL_WORDS, seed=options.seed + 41))
        queries = iter(texts(2 * n, words=QUERY_WORDS, seed=options.seed + 42))
        samples: dict[str, tuple[list[float], list[float]]] = {
            "store": ([], []),
            "search": ([], []),
        }
        for _ in range(n):
            for at, knowledge in enumerate((with_them, without)):
                samples["store"][at].append(ms(knowledge.store, next(stores)))
                samples["search"][at].append(ms(knowledge.search, next(queries)))
    return {
        "with_ms": {name: spread(both[0]) for name, both in samples.items()},
        "without_ms": {name: spread(both[1]) for name, both in samples.items()},
        "ratios": {f"{name}_to_without": ratio(*both) for name, both in samples.items()},
    }


@contextmanager
def _daemon(options: Options, *arguments: str) -> Iterator[KnowledgeClient]:
    home = copied(options, filled(options, options.entries))
    daemon = Daemon(home, *arguments).start().wait_ready()
    try:
        with KnowledgeClient(daemon.socket_path, timeout_s=_LIMIT_S) as knowledge:
            yield knowledge
        daemon.stop()
    finally:
        daemon.discard()
        shutil.rmtree(home, ignore_errors=True)
