"""The embedding engine: queues, a worker for each core, and one reserved for short texts."""

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cco_knowledge import cores, faults
from cco_knowledge.embedding.cache import Cache
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.embedding.native import Context, Model
from cco_knowledge.embedding.passages import Span, split
from cco_knowledge.errors import EmbeddingFailed, Overloaded, Unavailable
from cco_knowledge.metrics import EmbeddingWork
from cco_knowledge.models import ModelSpec
from cco_knowledge.turns import ORIGIN, OURSELVES, Lately, Origin, Turns
from cco_knowledge.types import ModelIdentity, Passage, Vector
from cco_knowledge.vectors import mean

_T = TypeVar("_T")
_MS_PER_PASSAGE = 20
_SPANS_AT_ONCE = 8
_FEW_SPANS = 4
"""Of a longer text each passage counts as bulk: 256 KiB take most of a minute on two cores."""
_SHORT_TOKENS = 128
"""Of what the reserved worker takes: 15 ms with two cores, 45 ms with a busy one."""
_SHORT_CHARACTERS = 4 * _SHORT_TOKENS
"""Longer texts may have more tokens; which of the shorter ones do, counting them tells."""
_BULK_NICENESS = 5
"""A third of the share of a core that others of normal priority have; 10 would be a tenth."""
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


class _Line(Enum):
    """Where a passage waits."""

    SHORT_QUERY = "short query"
    SHORT_STORE = "short store"
    QUERY = "query"
    STORE = "store"
    BULK = "bulk"


_SHORT = (_Line.SHORT_QUERY, _Line.SHORT_STORE)
_ALL = (_Line.QUERY, _Line.STORE, *_SHORT, _Line.BULK)
"""Short ones behind long ones: they have a worker of their own."""


class _Worker:
    """A context, used by one thread at a time: of normal priority, or for bulk of a low one."""

    def __init__(self, name: str, lines: Sequence[_Line], max_tokens: int) -> None:
        self.lines = lines
        self.max_tokens = max_tokens
        self.is_reserved = _Line.BULK not in lines
        self.context: Context | None = None
        self.n_embedded = 0
        self.n_tokens = 0
        self.embedding_s = 0.0
        self.busy_since_s: float | None = None
        self.is_bulk = False
        self._thread = ThreadPoolExecutor(1, f"embed-{name}")
        # One that has been made nice cannot be made normal again.
        self._bulk_thread = ThreadPoolExecutor(
            1, f"bulk-{name}", cores.add_niceness, (_BULK_NICENESS,)
        )

    def begin(self) -> None:
        """Both threads, with which a pool waits until their first job. Blocks."""
        for pool in (self._thread, self._bulk_thread):
            pool.submit(threading.get_ident).result()

    def thread(self, line: _Line) -> ThreadPoolExecutor:
        return self._bulk_thread if line is _Line.BULK else self._thread

    def close(self) -> None:
        """Blocks until its text is done."""
        self._thread.shutdown()
        self._bulk_thread.shutdown()
        if self.context is not None:
            self.context.close()


@dataclass(eq=False, slots=True)
class _Job:
    work: "Callable[[_Worker], Any]"
    done: "asyncio.Future[Any]"


class Engine:
    """Implements `embedding.interface.Embedder`. Made by `load`, ended by `close`.

    Each job is one passage; within a line callers take turns. One worker is reserved for short
    queries and short single stores, so that these wait for nothing but others of their kind, and
    bulk has threads of a low priority, so that the system gives a core to whatever else wants it.
    Jobs run on the engine's own threads: a slow text never holds up the disk, nor a slow disk a
    text.
    """

    def __init__(
        self, spec: ModelSpec, model: Model, *, threads: int, queue_size: int, cache_size: int
    ) -> None:
        self.identity = ModelIdentity(spec.name, spec.sha256, model.dim)
        self._spec = spec
        self._model = model
        self._threads = threads
        short_tokens = min(_SHORT_TOKENS, spec.window_tokens)
        self._reserved = _Worker("short", _SHORT, short_tokens)
        self._workers = [
            self._reserved,
            *(_Worker(f"{number}", _ALL, spec.window_tokens) for number in range(threads)),
        ]
        self._waiting: dict[_Line, Turns[_Job]] = {line: Turns() for line in _ALL}
        self._is_closed = False
        self._calling = Lately()
        """Peers that sent short texts, and no bulk since."""
        self._queue_size = queue_size
        self._cache = Cache(cache_size)
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
            queued=self._n_waiting + self._n_busy,
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
            await self._run(partial(self._embed_or_split, "ready", ""), _Line.SHORT_QUERY)
        if self.is_stuck:
            raise EmbeddingFailed("A passage is stuck in the model.")

    async def close(self) -> None:
        """Refuse what waits; return when the running texts are done: they cannot be stopped."""
        self._is_closed = True
        while (taken := self._next(_ALL)) is not None:
            _, job = taken
            job.done.set_exception(_stopping())
        loop = asyncio.get_running_loop()
        for worker in self._workers:
            await loop.run_in_executor(None, worker.close)
        self._model.close()

    def warm_up(self) -> None:
        """Begin all threads and embed one word with all cores. Blocks.

        The first caller does not pay. Nor does a later one have to begin a thread when there is no
        memory for it: OpenMP ends the process then.
        """
        for worker in self._workers:
            worker.begin()
        thread = self._reserved.thread(_Line.SHORT_QUERY)
        thread.submit(self._embed_with_all_cores, "ready").result()

    async def _embed(self, text: str, prefix: str, priority: Priority) -> Sequence[Passage]:
        key = hashlib.blake2b(f"{prefix}\0{text}".encode(), digest_size=16).digest()
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        line = _line(priority, is_short=len(prefix) + len(text) <= _SHORT_CHARACTERS)
        whole = await self._run(partial(self._embed_or_split, text, prefix), line)
        if isinstance(whole, Passage):
            passages: Sequence[Passage] = (whole,)
        else:
            # What takes so long goes behind the queries of others.
            least = Priority.STORE if len(whole) <= _FEW_SPANS else Priority.BULK
            line = _line(max(priority, least), is_short=False)
            passages = await self._embed_spans(text, whole, prefix, line)
        self._cache.put(key, passages)
        return passages

    async def _embed_spans(
        self, text: str, spans: Sequence[Span], prefix: str, line: _Line
    ) -> list[Passage]:
        """A few at a time, so that one long text neither fills the queue nor idles a core."""
        passages: list[Passage] = []
        at_once = min(_SPANS_AT_ONCE, self._queue_size)
        for first in range(0, len(spans), at_once):
            some = spans[first : first + at_once]
            jobs = [partial(self._passage, text, span, prefix) for span in some]
            passages += await asyncio.gather(*(self._run(job, line) for job in jobs))
        return passages

    async def _run(self, work: Callable[[_Worker], _T], line: _Line) -> _T:
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
        if line is _Line.BULK:
            self._calling.forget(origin.peer)
        elif line in _SHORT and origin is not OURSELVES:
            self._calling.note(origin.peer)
        self._waiting[line].add(origin, job)
        self._start_jobs()
        try:
            return await done
        except asyncio.CancelledError:
            # Its place in the queue is free; one that runs is not in the queue any more.
            self._waiting[line].remove(origin, job)
            raise

    @property
    def _n_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def _n_busy(self) -> int:
        return sum(worker.busy_since_s is not None for worker in self._workers)

    def _is_full_for(self, origin: Origin) -> bool:
        """Whoever has nothing in a full queue gets one place all the same."""
        return self._n_waiting >= self._queue_size and any(
            turns.has(origin) for turns in self._waiting.values()
        )

    def _next(self, lines: Sequence[_Line]) -> tuple[_Line, _Job] | None:
        for line in lines:
            while self._waiting[line]:
                job = self._waiting[line].pop()
                if not job.done.done():
                    return line, job
        return None

    def _start_jobs(self) -> None:
        for worker in self._workers:
            if worker.busy_since_s is None:
                taken = self._next([line for line in worker.lines if self._may_run(line)])
                if taken is not None:
                    self._start(*taken, worker)

    def _may_run(self, line: _Line) -> bool:
        """Bulk leaves a core to all else that a call takes, while somebody else calls."""
        if line is not _Line.BULK or not self._calling.is_anybody:
            return True
        return sum(one.is_bulk for one in self._workers) < max(1, self._threads - 1)

    def _start(self, line: _Line, job: _Job, worker: _Worker) -> None:
        worker.busy_since_s = time.monotonic()
        worker.is_bulk = line is _Line.BULK
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(worker.thread(line), job.work, worker)
        running.add_done_callback(partial(self._finish, job, worker))

    def _finish(self, job: _Job, worker: _Worker, finished: "asyncio.Future[Any]") -> None:
        worker.busy_since_s = None
        worker.is_bulk = False
        error = finished.exception()
        if not job.done.done():
            if error is None:
                job.done.set_result(finished.result())
            else:
                job.done.set_exception(error)
        self._start_jobs()

    def _embed_or_split(self, text: str, prefix: str, worker: _Worker) -> Passage | list[Span]:
        """On the worker's thread: the vector of a text that fits it, the spans of another one."""
        tokens = self._model.tokens(prefix + text)
        if len(tokens) <= worker.max_tokens:
            return Passage(0, len(text), self._vector(tokens, worker))
        if len(tokens) <= self._spec.window_tokens:
            return [Span(0, len(text))]
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

    def _embed_with_all_cores(self, text: str) -> None:
        """On the reserved worker's thread."""
        self._context_of(self._reserved).embed(self._model.tokens(text), self._threads)

    def _context_of(self, worker: _Worker) -> Context:
        """A further core's costs memory only once it is needed."""
        if worker.context is None:
            worker.context = self._model.new_context(worker.max_tokens, self._spec.pooling)
        return worker.context

    def _vector(self, tokens: Sequence[int], worker: _Worker) -> Vector:
        """On the worker's thread. A short text that is alone gets all free cores, any other one.

        Two threads wait for each other a hundred times in a text: where others want the cores,
        they take ten times as long as one (p50 196 ms and 23 ms of a query, load 18).

        Only the reserved worker ever uses more than one: with a second team of threads OpenMP
        counts more threads than cores, hardly spins at all, and every text takes a third longer.
        """
        context = self._context_of(worker)
        is_alone = worker.is_reserved and self._n_busy <= 1 and not self._n_waiting
        n_threads = min(self._threads, cores.n_unwanted()) if is_alone else 1
        begun_s = time.perf_counter()
        vector = _embedded(context, tokens, n_threads)
        worker.embedding_s += time.perf_counter() - begun_s
        worker.n_embedded += 1
        worker.n_tokens += len(tokens)
        return vector


def _line(priority: Priority, *, is_short: bool) -> _Line:
    if priority is Priority.BULK:
        return _Line.BULK
    if priority is Priority.QUERY:
        return _Line.SHORT_QUERY if is_short else _Line.QUERY
    return _Line.SHORT_STORE if is_short else _Line.STORE


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
