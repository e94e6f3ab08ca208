"""What the machine can do at best: reading memory, and multiplying numbers.

A search that compares every vector cannot be quicker than reading them; embedding not quicker than
the model's multiplications.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.bare import CORES, BareModel
from bench.stand import Options
from bench.texts import texts

_DIM = 384
_LAYERS = 6
_FEED_FORWARD = 1_536
"""Of the default model."""
_READ_BYTES = 256 << 20
_MATRIX = 1_024
_TIMES = 5


def run(options: Options) -> dict[str, Any]:
    import numpy as np

    numbers = np.ones(_READ_BYTES // 4, np.float32)
    one = np.ones((_MATRIX, _MATRIX), np.float32)
    read_one = _READ_BYTES / _best_s(lambda: float(np.dot(numbers, numbers)))
    halves = np.array_split(numbers, CORES)
    with ThreadPoolExecutor(CORES) as threads:
        read_all = _READ_BYTES / _best_s(lambda: list(threads.map(lambda h: np.dot(h, h), halves)))
    multiplied = 2 * _MATRIX**3 / _best_s(lambda: one @ one)
    return {
        "read_gb_per_s": round(read_one / 1e9, 2),
        "read_gb_per_s_all_cores": round(read_all / 1e9, 2),
        "sgemm_gflop_per_s_all_cores": round(multiplied / 1e9, 1),
        "scan_ms_at_most_speed": {
            str(n): round(1000 * n * _DIM * 4 / read_all, 2) for n in (10_000, 100_000, 1_000_000)
        },
        **_embedding(options),
    }


def _embedding(options: Options) -> dict[str, Any]:
    """30 words, of which each core has one text at a time: the best that llama.cpp gives."""
    model = BareModel()
    some = texts(options.count(300, 100), words=(30, 30), seed=options.seed)
    n_tokens = sum(map(model.n_tokens, some))
    rate = n_tokens / _best_s(lambda: model.embed_many(some), times=3)
    model.close()
    per_token = flop_per_token(n_tokens / len(some))
    return {
        "tokens_each": round(n_tokens / len(some), 1),
        "mflop_per_token": round(per_token / 1e6, 1),
        "embedding_tokens_per_s": round(rate),
        "embedding_gflop_per_s": round(rate * per_token / 1e9, 1),
    }


def flop_per_token(n_tokens: float) -> float:
    """Of a text of so many: the weights of each layer, and the attention to each token.

    Source: https://arxiv.org/abs/2001.08361, table 1, forward pass without embeddings.
    """
    weights = _LAYERS * (4 * _DIM * _DIM + 2 * _DIM * _FEED_FORWARD)
    return 2 * weights + 2 * 2 * _LAYERS * n_tokens * _DIM


def _best_s(work: Callable[[], object], times: int = _TIMES) -> float:
    samples = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        samples.append(time.perf_counter() - begun)
    return min(samples)
