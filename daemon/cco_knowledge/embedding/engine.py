"""The embedding engine: a queue by priority in front of one llama.cpp context per core."""

import asyncio
import contextlib
import hashlib
import heapq
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cco_knowledge import faults
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.embedding.native import Context, Model
from cco_knowledge.embedding.passages import Span, split
from cco_knowledge.errors import EmbeddingFailed, Overloaded, Unavailable
from cco_knowledge.metrics import EmbeddingWork
from cco_knowledge.models import ModelSpec
from cco_knowledge.turns import ORIGIN, Origin, Turns
from cco_knowledge.types import ModelIdentity, Passage, Vector
from cco_knowledge.vectors import mean

_T = TypeVar("_T")
_MS_PER_PASSAGE = 20
_MAX_CACHED_PASSAGES = 16
_SPANS_AT_ONCE = 8
_LONGEST_PASSAGE_S = 60.0
"""No passage that fits a model's window takes so long on one core."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineFacts:
    threads: int
    queued: int
    cache_size: int
    cache_hits: int
    cache_misses: int


@dataclass(order=True, slots=True)
class _Worker:
    """One thread with its own context. Idle ones are taken by number, the first one first."""

    number: int
    executor: ThreadPoolExecutor = field(compare=False)
    context: Context | None = field(default=None, compare=False)
    n_embedded: int = field(default=0, compare=False)
    n_tokens: int = field(default=0, compare=False)
    embedding_s: float = field(default=0.0, compare=False)
    busy_since_s: float | None = field(default=None, compare=False)


@dataclass(eq=False, slots=True)
class _Job:
    work: "Callable[[_Worker], Any]"
    done: "asyncio.Future[Any]"


class Engine:
    """Implements `embedding.interface.Embedder`. Made by `load`, ended by `close`.

    Each job is one passage, so that a query waits for at most one of them; within a priority
    callers take turns. Jobs run on the engine's own threads: a slow text never holds up the disk,
    nor a slow disk a text.
    """

    def __init__(
        self, spec: ModelSpec, model: Model, *, threads: int, queue_size: int, cache_size: int
    ) -> None:
        self.identity = ModelIdentity(spec.name, spec.sha256, model.dim)
        self._spec = spec
        self._model = model
        self._threads = threads
        self._workers = [
            _Worker(number, ThreadPoolExecutor(1, thread_name_prefix=f"embed-{number}"))
            for number in range(threads)
        ]
        self._idle = list(self._workers)
        self._waiting: dict[Priority, Turns[_Job]] = {priority: Turns() for priority in Priority}
        self._is_closed = False
        self._queue_size = queue_size
        self._cache = _Cache(cache_size)
        self._n_special_tokens = len(model.tokens(""))

    async def embed_document(self, text: str, priority: Priority) -> Sequence[Passage]:
        return await self._embed(text, self._spec.document_prefix, priority)

    async def embed(self, text: str, *, as_query: bool) -> Vector:
        prefix = self._spec.query_prefix if as_query else self._spec.document_prefix
        priority = Priority.QUERY if as_query else Priority.BULK
        return mean(await self._embed(text, prefix, priority))

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokens(text)) - self._n_special_tokens

    def facts(self) -> EngineFacts:
        return EngineFacts(
            threads=self._threads,
            queued=self._n_waiting + self._threads - len(self._idle),
            cache_size=self._cache.size,
            cache_hits=self._cache.hits,
            cache_misses=self._cache.misses,
        )

    def work(self) -> EmbeddingWork:
        """Since the start. Each thread counts its own; nobody else writes there."""
        return EmbeddingWork(
            passages=sum(worker.n_embedded for worker in self._workers),
            tokens=sum(worker.n_tokens for worker in self._workers),
            seconds=sum(worker.embedding_s for worker in self._workers),
        )

    @property
    def is_stuck(self) -> bool:
        """Whether a core does not come back from its passage."""
        now_s = time.monotonic()
        since = [worker.busy_since_s for worker in self._workers if worker.busy_since_s is not None]
        return any(now_s - since_s > _LONGEST_PASSAGE_S for since_s in since)

    async def prove(self) -> None:
        """Embed one word past the cache, ahead of the documents that wait.

        Raises:
            EmbeddingFailed: a core does not come back from its passage.
        """
        with contextlib.suppress(Overloaded):  # then there is work enough to judge by
            await self._run(partial(self._embed_or_split, "ready", ""), Priority.QUERY)
        if self.is_stuck:
            raise EmbeddingFailed("A passage is stuck in the model.")

    async def close(self) -> None:
        """Refuse what waits; return when the running texts are done: they cannot be stopped."""
        self._is_closed = True
        while (job := self._next()) is not None:
            if not job.done.done():
                job.done.set_exception(_stopping())
        loop = asyncio.get_running_loop()
        for worker in self._workers:
            await loop.run_in_executor(None, worker.executor.shutdown)
            if worker.context is not None:
                worker.context.close()
        self._model.close()

    def warm_up(self) -> None:
        """Embed one word on the first worker, so that the first caller does not pay. Blocks."""
        first = self._workers[0]
        first.executor.submit(self._embed_or_split, "ready", "", first).result()

    async def _embed(self, text: str, prefix: str, priority: Priority) -> Sequence[Passage]:
        key = hashlib.blake2b(f"{prefix}\0{text}".encode(), digest_size=16).digest()
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        whole = await self._run(partial(self._embed_or_split, text, prefix), priority)
        if isinstance(whole, Passage):
            passages: Sequence[Passage] = (whole,)
        else:
            # What takes so long goes behind the short queries of others.
            passages = await self._embed_spans(text, whole, prefix, max(priority, Priority.STORE))
        self._cache.put(key, passages)
        return passages

    async def _embed_spans(
        self, text: str, spans: Sequence[Span], prefix: str, priority: Priority
    ) -> list[Passage]:
        """A few at a time, so that one long text neither fills the queue nor idles a core."""
        passages: list[Passage] = []
        at_once = min(_SPANS_AT_ONCE, self._queue_size)
        for first in range(0, len(spans), at_once):
            some = spans[first : first + at_once]
            jobs = [partial(self._passage, text, span, prefix) for span in some]
            passages += await asyncio.gather(*(self._run(job, priority) for job in jobs))
        return passages

    async def _run(self, work: Callable[[_Worker], _T], priority: Priority) -> _T:
        if self._is_closed:
            raise _stopping()
        origin = ORIGIN.get()
        if self._is_full_for(origin):
            raise Overloaded(
                "Too many texts wait for the model.",
                retry_after_ms=self._n_waiting * _MS_PER_PASSAGE // self._threads,
            )
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        job = _Job(work, done)
        self._waiting[priority].add(origin, job)
        self._start_jobs()
        try:
            return await done
        except asyncio.CancelledError:
            # Its place in the queue is free; one that runs is not in the queue any more.
            self._waiting[priority].remove(origin, job)
            raise

    @property
    def _n_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _is_full_for(self, origin: Origin) -> bool:
        """Whoever has nothing in a full queue gets one place all the same."""
        return self._n_waiting >= self._queue_size and any(
            turns.has(origin) for turns in self._waiting.values()
        )

    def _next(self) -> _Job | None:
        return next((turns.pop() for turns in self._waiting.values() if turns), None)

    def _start_jobs(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and (job := self._next()) is not None:
            if job.done.cancelled():
                continue
            worker = heapq.heappop(self._idle)
            worker.busy_since_s = time.monotonic()
            running = loop.run_in_executor(worker.executor, job.work, worker)
            running.add_done_callback(partial(self._finish, job, worker))

    def _finish(self, job: _Job, worker: _Worker, finished: "asyncio.Future[Any]") -> None:
        worker.busy_since_s = None
        heapq.heappush(self._idle, worker)
        error = finished.exception()
        if not job.done.done():
            if error is None:
                job.done.set_result(finished.result())
            else:
                job.done.set_exception(error)
        self._start_jobs()

    def _embed_or_split(self, text: str, prefix: str, worker: _Worker) -> Passage | list[Span]:
        """On the worker's thread: the vector of a short text, the spans of a long one."""
        tokens = self._model.tokens(prefix + text)
        if len(tokens) <= self._spec.window_tokens:
            return Passage(0, len(text), self._vector(tokens, worker))
        n_special = self._n_special_tokens
        return split(
            text,
            self._spec.window_tokens - len(self._model.tokens(prefix)),
            lambda piece: len(self._model.tokens(piece)) - n_special,
        )

    def _passage(self, text: str, span: Span, prefix: str, worker: _Worker) -> Passage:
        """On the worker's thread."""
        tokens = self._model.tokens(prefix + text[span.start : span.end])
        if len(tokens) > self._spec.window_tokens:
            raise EmbeddingFailed("A passage exceeds the model's window.")
        return Passage(span.start, span.end, self._vector(tokens, worker))

    def _vector(self, tokens: Sequence[int], worker: _Worker) -> Vector:
        """On the worker's thread. A text that is alone gets all cores, one among many gets one.

        Only the first worker ever uses more than one: with a second team of threads OpenMP counts
        more threads than cores, hardly spins at all, and every text takes a third longer.
        """
        if worker.context is None:  # a further core's costs memory only once it is needed
            worker.context = self._model.new_context(self._spec.window_tokens, self._spec.pooling)
        is_first_and_alone = worker.number == 0 and len(self._idle) == self._threads - 1
        n_threads = self._threads if is_first_and_alone and not self._n_waiting else 1
        begun_s = time.perf_counter()
        vector = _embedded(worker.context, tokens, n_threads)
        worker.embedding_s += time.perf_counter() - begun_s
        worker.n_embedded += 1
        worker.n_tokens += len(tokens)
        return vector


class _Cache:
    """The last used vectors, by content."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._passages: OrderedDict[bytes, Sequence[Passage]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        return len(self._passages)

    def get(self, key: bytes) -> Sequence[Passage] | None:
        found = self._passages.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._passages.move_to_end(key)
        return found

    def put(self, key: bytes, passages: Sequence[Passage]) -> None:
        if len(passages) > _MAX_CACHED_PASSAGES:
            return
        self._passages[key] = passages
        while len(self._passages) > self._capacity:
            self._passages.popitem(last=False)


def _embedded(context: Context, tokens: Sequence[int], n_threads: int) -> Vector:
    """Whatever goes wrong is about this text alone."""
    try:
        faults.at("embedding.call")
        return context.embed(tokens, n_threads)
    except (EmbeddingFailed, MemoryError):
        raise
    except Exception as error:
        _log.error("the model failed: %s", type(error).__name__)
        raise EmbeddingFailed(f"The model failed on this text ({type(error).__name__}).") from error


def _stopping() -> Unavailable:
    return Unavailable("The daemon is stopping. Try again in a moment.")


def load_engine(spec: ModelSpec, *, threads: int, queue_size: int, cache_size: int) -> Engine:
    """Load the model and embed a first word. Blocks."""
    model = Model(Path(spec.path))
    engine = Engine(spec, model, threads=threads, queue_size=queue_size, cache_size=cache_size)
    engine.warm_up()
    return engine
