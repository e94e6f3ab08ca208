"""A table of any size in minutes, without embedding each text; for measurements of scale.

The vectors have the structure of real ones: some thousand different texts are embedded with the
real model once and kept in the user's cache; each row is a mixture of a few of these that are near
to one another, with noise that has the covariance of all. Queries are real texts that no row is
made of.
"""

import asyncio
import hashlib
import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import model_cache
from bench.texts import texts
from cco_knowledge.embedding.engine import load_engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.models import DEFAULT_MODEL, resolve_model
from cco_knowledge.store import schema
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.native import Scannable, lance, pa
from cco_knowledge.terms import terms
from cco_knowledge.types import Entry, ModelIdentity

_SHARED = Path(os.environ.get("CCO_SHARED", Path(__file__).parents[3] / "shared"))
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cco-knowledge"
_MADE_UP = 700
"""Base texts of bench.texts, beside those of documentation."""
_BASES = 2400
N_QUERIES = 300
_NEIGHBOURS = 40
_MIXED = 3
_NOISE = 0.35
"""Its length beside the mixture's, which is 1. The nearest neighbours of a real query then lie
about as near as in a table of real texts: see `docs/measuring.md`."""
N_PROJECTS = 50
_TYPES = ("general", "decision", "implementation", "issue", "pattern", "architecture")
_TYPE_SHARES = (0.3, 0.2, 0.2, 0.12, 0.1, 0.08)
_LONG_SHARE = 0.02
"""Of the rows have one to four further passages."""
_DAYS = 500
_END = datetime(2026, 11, 27, tzinfo=UTC)
_ROWS_AT_ONCE = 20_000
_WORDS = (15, 45)


@dataclass(frozen=True, slots=True)
class Bases:
    vectors: Any
    """(n, dim) float32, of length 1."""
    queries: Any
    query_texts: Sequence[str]
    identity: ModelIdentity


async def bases() -> Bases:
    """Embedded at the first call; takes a minute or two."""
    wanted, query_texts = _base_texts()
    digest = hashlib.blake2b(json.dumps([wanted, query_texts]).encode(), digest_size=8).hexdigest()
    file = _CACHE / f"bench-vectors-{digest}.npz"
    engine = load_engine(
        resolve_model(DEFAULT_MODEL, model_cache.FOLDER), threads=2, queue_size=64, cache_size=0
    )
    try:
        if not file.exists():
            await _embed_all(engine, wanted, query_texts, file)
        identity = engine.identity
    finally:
        await engine.close()
    kept = np.load(file)
    return Bases(kept["vectors"], kept["queries"], query_texts, identity)


async def _embed_all(
    engine: Any, wanted: Sequence[str], query_texts: Sequence[str], file: Path
) -> None:
    slots = asyncio.Semaphore(16)

    async def first_vector(text: str) -> bytes:
        async with slots:
            return bytes((await engine.embed_document(text, Priority.BULK))[0].vector)

    vectors = await asyncio.gather(*map(first_vector, wanted))
    queries = [bytes(await engine.embed(text, as_query=True)) for text in query_texts]
    part = file.with_suffix(".part.npz")
    np.savez(part, vectors=_matrix(vectors), queries=_matrix(queries))
    part.rename(file)


def _matrix(vectors: Sequence[bytes]) -> Any:
    return np.frombuffer(b"".join(vectors), np.float32).reshape(len(vectors), -1)


def _base_texts() -> tuple[list[str], list[str]]:
    """Texts for rows, and others for queries."""
    lines = (_SHARED / "data" / "pyfaq" / "corpus.jsonl").read_text("utf-8").splitlines()
    manual = [part for line in lines for part in _parts(json.loads(line)["text"])]
    made_up = texts(_MADE_UP, words=_WORDS, seed=11)
    random.Random(11).shuffle(manual)
    asked = (_SHARED / "data" / "pyfaq" / "queries.jsonl").read_text("utf-8").splitlines()
    queries = [json.loads(line)["text"] for line in asked]
    queries += texts(N_QUERIES - len(queries), words=(4, 12), seed=12)
    return [*made_up, *manual[: _BASES - _MADE_UP]], queries


def _parts(text: str) -> Iterator[str]:
    words = text.split()
    for at in range(0, len(words) - 20, 40):
        yield " ".join(words[at : at + 40])


class Rows:
    """All batches of a table, by its seed; row `n` is always the same."""

    def __init__(self, of: Bases, seed: int) -> None:
        self._of = of
        self._seed = seed
        near = of.vectors @ of.vectors.T
        self._near = np.argsort(-near, axis=1)[:, 1 : _NEIGHBOURS + 1]
        centred = of.vectors - of.vectors.mean(axis=0)
        scales, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        self._axes = (axes * np.sqrt(np.maximum(scales, 0))).T.astype(np.float32)
        words, counts = _vocabulary()
        self._words = words
        self._terms = [" ".join(terms(word)) for word in words]
        self._shares = counts / counts.sum()
        weights = 1 / np.arange(1, N_PROJECTS + 1) ** 0.7
        self._projects = weights / weights.sum()

    def vectors(self, source: Any, n: int) -> Any:
        first = source.integers(len(self._of.vectors), size=n)
        others = self._near[first[:, None], source.integers(_NEIGHBOURS, size=(n, _MIXED - 1))]
        shares = source.dirichlet(np.ones(_MIXED), size=n).astype(np.float32)
        mixed = self._of.vectors[first] * shares[:, :1]
        for at in range(_MIXED - 1):
            mixed += self._of.vectors[others[:, at]] * shares[:, at + 1 : at + 2]
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        dim = self._of.vectors.shape[1]
        noise = source.standard_normal((n, dim), dtype=np.float32) @ self._axes
        mixed += _NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    def batches(self, n_rows: int, table_schema: Any) -> Iterator[Any]:
        for begin in range(0, n_rows, _ROWS_AT_ONCE):
            yield self._batch(begin, min(_ROWS_AT_ONCE, n_rows - begin), n_rows, table_schema)

    def _batch(self, begin: int, n: int, n_rows: int, table_schema: Any) -> Any:
        source = np.random.default_rng((self._seed, begin))
        dim = self._of.vectors.shape[1]
        entries, found_by = self._entries(source, begin, n, n_rows)
        further = np.where(source.random(n) < _LONG_SHARE, source.integers(1, 5, size=n), 0)
        ends = list(itertools.accumulate(further.tolist(), initial=0))
        offsets = [e if k else None for e, k in zip(ends, further.tolist(), strict=False)]
        columns = {
            name: pa.array([getattr(entry, name) for entry in entries], pa.string())
            for name in schema.ENTRY_COLUMNS
            if name not in {"metadata", "sealed"}
        }
        columns |= {
            "vector": _list(self.vectors(source, n), dim),
            "passages": pa.ListArray.from_arrays(
                pa.array([*offsets, ends[-1]], pa.int32()),
                _list(self.vectors(source, ends[-1]), dim),
            ),
            "passage_spans": pa.array(
                [
                    _spans(len(entry.text), 1 + k)
                    for entry, k in zip(entries, further.tolist(), strict=True)
                ],
                pa.list_(pa.int32()),
            ),
            "metadata": pa.array(["{}"] * n, pa.string()),
            "metadata_digests": pa.array([[]] * n, pa.list_(pa.int64())),
            "sealed": pa.array([None] * n, pa.binary()),
            "content_digest": pa.array(map(schema.content_digest, entries), pa.binary(16)),
            "terms": pa.array(found_by, pa.string()),
        }
        return pa.record_batch([columns[field.name] for field in table_schema], schema=table_schema)

    def _entries(
        self, source: Any, begin: int, n: int, n_rows: int
    ) -> tuple[list[Entry], list[str]]:
        counts = source.integers(_WORDS[0], _WORDS[1], size=n)
        words = iter(source.choice(len(self._words), size=int(counts.sum()), p=self._shares))
        kinds = source.choice(len(_TYPES), size=n, p=_TYPE_SHARES)
        projects = source.choice(N_PROJECTS, size=n, p=self._projects)
        ids = source.bytes(16 * n)
        entries, found_by = [], []
        for at in range(n):
            drawn = list(itertools.islice(words, int(counts[at])))
            number = begin + at
            raw = ids[16 * at : 16 * at + 16].hex()
            moment = _END - timedelta(days=_DAYS) * (1 - number / n_rows)
            entries.append(
                Entry(
                    id=f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}",
                    text=f"n{number} " + " ".join(self._words[word] for word in drawn),
                    type=_TYPES[kinds[at]],
                    project_id=f"project-{projects[at]}",
                    session_id=f"session-{number // 40}",
                    agent="claude",
                    timestamp=moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{number % 1000:03}Z",
                    metadata=b"{}",
                )
            )
            kept = [self._terms[word] for word in drawn if self._terms[word]]
            found_by.append(" ".join([*terms(f"n{number}"), *kept]))
        return entries, found_by


def _list(vectors: Any, dim: int) -> Any:
    numbers = pa.Array.from_buffers(
        pa.float32(), vectors.size, [None, pa.py_buffer(vectors.astype(np.float32).tobytes())]
    )
    return pa.FixedSizeListArray.from_arrays(numbers, dim)


def _spans(length: int, n: int) -> list[int]:
    bounds = [length * at // n for at in range(n + 1)]
    return [bound for pair in itertools.pairwise(bounds) for bound in pair]


def _vocabulary() -> tuple[list[str], Any]:
    """The words of the documentation, as often as they are there."""
    lines = (_SHARED / "data" / "pyfaq" / "corpus.jsonl").read_text("utf-8").splitlines()
    counts: dict[str, int] = {}
    for line in lines:
        for word in json.loads(line)["text"].split():
            if word.isascii() and word.isalnum() and len(word) < 30:
                counts[word] = counts.get(word, 0) + 1
    return list(counts), np.array(list(counts.values()), np.float64)


async def fill(folder: Path, n_rows: int, of: Bases, seed: int) -> None:
    """A store in the folder, as the daemon makes it, and its rows."""
    store = await LanceStore.open(folder, of.identity, 32 << 20)
    await store.close()
    connection = await lance.connect(str(folder), *[None] * 8)
    table = await connection.open_table("knowledge", *[None] * 4)
    for batch in Rows(of, seed).batches(n_rows, await table.schema()):
        await table.add(Scannable(batch), "append")
    table.close()
    connection.close()
