"""Stores, single and batched, of entries of 10 to 1,000 words; each in turn with the bare one."""

from typing import Any

from bench.bare import Bare
from bench.figures import disk_mb, ms, ratio, spent, spread
from bench.stand import BATCH, Options, Stand, stand
from bench.texts import texts

_WORDS = (10, 30, 100, 1_000)
_PROJECT = "written"


def run(options: Options) -> dict[str, Any]:
    with stand(options) as measured, Bare(measured.table_folder) as bare:
        lengths = (30,) if options.short else _WORDS
        single = {str(words): _single(measured, bare, options, words) for words in lengths}
        batched = {str(words): _batched(measured, bare, options, words) for words in lengths}
        return {
            "single": single,
            "batch_of_100": batched,
            "disk_mb": disk_mb(measured.table_folder),
            "ratios": {
                "store_one_to_bare": single["30"]["p50_ratio"],
                "batch_to_bare": batched["30"]["p50_ratio"],
            },
        }


def _single(measured: Stand, bare: Bare, options: Options, words: int) -> dict[str, Any]:
    """Each returns when its entry is durable and the next search finds it."""
    n = options.count(300, 40) if words < _WORDS[-1] else 20
    served, alone = [], []
    fresh = iter(texts(2 * n, words=(words, words), seed=options.seed + words))
    with spent(measured.daemon.pid) as taken:
        for _ in range(n):
            served.append(ms(measured.knowledge.store, next(fresh), project_id=_PROJECT))
            alone.append(ms(bare.store, next(fresh)))
    return {
        "ms": spread(served),
        "bare_ms": spread(alone),
        "p50_ratio": ratio(served, alone),
        "daemon_cpu_ms_each": round(1000 * taken.daemon_cpu_s / n, 2),
    }


def _batched(measured: Stand, bare: Bare, options: Options, words: int) -> dict[str, Any]:
    rounds = options.count(7, 3) if words < _WORDS[-1] else 1
    served, alone, embedded = [], [], []
    n_tokens = 0
    with spent(measured.daemon.pid) as taken:
        for number in range(rounds):
            seed = options.seed + 10_000 + 10 * words + 3 * number
            batches = [texts(BATCH, words=(words, words), seed=seed + at) for at in range(3)]
            items = [{"text": text, "project_id": _PROJECT} for text in batches[0]]
            served.append(ms(measured.knowledge.store_batch, items))
            alone.append(ms(bare.store_batch, batches[1]))
            embedded.append(ms(bare.model.embed_many, batches[2]))
            n_tokens += sum(map(bare.model.n_tokens, batches[0]))
    return {
        "ms": spread(served),
        "bare_ms": spread(alone),
        "bare_embedding_ms": spread(embedded),
        "p50_ratio": ratio(served, alone),
        "rate_to_bare_embedding": ratio(embedded, served),
        "tokens_per_s": round(1000 * n_tokens / sum(served), 1),
        "daemon_cpu_ms_each": round(1000 * taken.daemon_cpu_s / rounds, 1),
    }
