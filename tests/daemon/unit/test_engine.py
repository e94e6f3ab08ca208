"""The embedding engine with a model whose speed the test decides."""

import array
import asyncio
import contextlib
import itertools
import os
import platform
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cco_knowledge import cores
from cco_knowledge.embedding.engine import Engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.embedding.native import Model
from cco_knowledge.errors import EmbeddingFailed, Overloaded, Unavailable
from cco_knowledge.models import ModelSpec
from cco_knowledge.turns import ORIGIN, Origin
from cco_knowledge.types import Passage, Vector

WINDOW = 8


def vector_of(*numbers: float) -> Vector:
    return Vector(array.array("f", numbers).tobytes())


class FakeModel:
    """One token a word; a vector is (1, 0); embedding waits for `gate` and notes its order.

    What begins with "free" does not wait; what begins with "stuck" waits until the engine closes.
    """

    dim = 2

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.end = threading.Event()
        self.begun = threading.Semaphore(0)
        self.embedded: list[int] = []
        self.n_threads: list[int] = []
        self.niceness: dict[str, int] = {}
        self.words: list[str] = []
        self.failing = False

    def tokens(self, text: str) -> Sequence[int]:
        words = text.split()
        self.words += [word for word in dict.fromkeys(words) if word not in self.words]
        return [self.words.index(word) for word in words]

    def new_context(self, _window: int, _pooling: str) -> "FakeModel":
        return self

    def embed(self, tokens: Sequence[int], n_threads: int) -> Vector:
        first = self.words[tokens[0]]
        self.begun.release()
        gate = self.end if first.startswith("stuck") else self.gate
        assert first.startswith("free") or gate.wait(30)
        if self.failing:
            raise EmbeddingFailed("no vector")
        self.embedded.append(tokens[0])
        self.n_threads.append(n_threads)
        self.niceness[first.rstrip(".")] = os.getpriority(os.PRIO_PROCESS, 0)
        return vector_of(1, 0)

    def order(self) -> list[str]:
        return [self.words[number].rstrip(".") for number in self.embedded]

    def close(self) -> None:
        pass


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def engine(model: FakeModel) -> AsyncIterator[Engine]:
    async with an_engine(model) as made:
        yield made


@contextlib.asynccontextmanager
async def an_engine(
    model: FakeModel, *, window: int = WINDOW, threads: int = 1
) -> AsyncIterator[Engine]:
    spec = ModelSpec("fake", Path("fake"), "0" * 64, 2, "mean", window, "", "")
    made = Engine(spec, cast("Model", model), threads=threads, queue_size=4, cache_size=2)
    yield made
    model.gate.set()
    model.end.set()
    await made.close()


async def begin(model: FakeModel) -> None:
    """Return when one more text is at work."""
    assert await asyncio.to_thread(model.begun.acquire, timeout=30)


def long(name: str) -> str:
    """One word, but too many characters for the worker that is reserved for short texts."""
    return name.ljust(600, ".")


def embed(engine: Engine, text: str, priority: Priority) -> "asyncio.Task[Sequence[Passage]]":
    return asyncio.create_task(cast("Any", engine.embed_document(text, priority)))


async def test_queries_go_before_stores_before_bulk(engine: Engine, model: FakeModel) -> None:
    tasks = [embed(engine, long("running"), Priority.BULK)]
    await begin(model)
    tasks += [embed(engine, long(priority.name), priority) for priority in reversed(Priority)]
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(*tasks)
    assert model.order() == ["running", "QUERY", "STORE", "BULK"]


async def test_short_queries_and_stores_wait_for_nothing_else(
    engine: Engine, model: FakeModel
) -> None:
    """Neither for bulk, however short, nor for what is long."""
    held = [embed(engine, "bulk", Priority.BULK)]
    await begin(model)
    held += [embed(engine, long(f"{priority.name}"), priority) for priority in Priority]
    for priority in (Priority.QUERY, Priority.STORE):
        await engine.embed_document(f"free-{priority.name}", priority)
    assert model.order() == ["free-QUERY", "free-STORE"]
    model.gate.set()
    await asyncio.gather(*held)


async def test_short_texts_of_many_callers_take_turns(engine: Engine, model: FakeModel) -> None:
    stuck = embed(engine, "stuck", Priority.BULK)
    await begin(model)
    tasks = []
    for number, names in enumerate((("a1", "a2", "a3"), ("b1",), ("c1",))):
        ORIGIN.set(Origin(number + 1, number + 1))
        tasks += [embed(engine, name, Priority.QUERY) for name in names]
        await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(*tasks)
    assert model.order() == ["a1", "a2", "b1", "c1", "a3"]
    model.end.set()
    await stuck


async def test_a_text_of_few_characters_and_many_tokens_is_not_short(model: FakeModel) -> None:
    async with an_engine(model, window=200) as engine:
        dense = embed(engine, "dense " + "x " * 150, Priority.QUERY)
        await begin(model)
        await engine.embed_document("free", Priority.QUERY)
        assert model.order() == ["free"]
        model.gate.set()
        (passage,) = await dense
        assert (passage.start, passage.end) == (0, 306)


async def test_only_a_short_text_that_is_alone_gets_all_cores(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_engine(model, threads=2) as engine:
        monkeypatch.setattr(cores, "n_unwanted", lambda: 4)
        await engine.embed_document("free", Priority.QUERY)
        await engine.embed_document(long("free-long"), Priority.QUERY)
        held = embed(engine, "bulk", Priority.BULK)
        await begin(model)
        await engine.embed_document("free-beside", Priority.QUERY)
        model.gate.set()
        await held
        monkeypatch.setattr(cores, "n_unwanted", lambda: 1)
        await engine.embed_document("free-with-a-compiler", Priority.QUERY)
    assert model.n_threads == [2, 1, 1, 1, 1]


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere threads have no niceness")
async def test_bulk_leaves_the_cores_to_others(engine: Engine, model: FakeModel) -> None:
    model.gate.set()
    normal = os.getpriority(os.PRIO_PROCESS, 0)
    for priority in Priority:
        await engine.embed_document(long(priority.name), priority)
    bulk = min(normal + 5, 19)
    assert model.niceness == {"QUERY": normal, "STORE": normal, "BULK": bulk}


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere threads have no niceness")
async def test_a_long_text_is_bulk_whoever_brings_it(engine: Engine, model: FakeModel) -> None:
    model.gate.set()
    words = [f"word{number}" for number in range(10 * WINDOW)]
    passages = await embed(engine, " ".join(words), Priority.QUERY)
    assert len(passages) > 10
    bulk = os.getpriority(os.PRIO_PROCESS, 0) + 5
    assert set(model.niceness.values()) == {bulk}


async def test_bulk_leaves_a_core_while_others_call(model: FakeModel) -> None:
    async with an_engine(model, threads=2) as engine:
        ORIGIN.set(Origin(1, 1))
        await engine.embed_document("free-call", Priority.QUERY)
        await begin(model)
        ORIGIN.set(Origin(2, 2))
        held = [embed(engine, f"stuck-{number}", Priority.BULK) for number in range(2)]
        await begin(model)
        await engine.embed_document(long("free"), Priority.QUERY)
        await begin(model)
        assert not model.begun.acquire(blocking=False)
        model.end.set()
        await asyncio.gather(*held)


async def test_bulk_has_all_cores_where_nobody_else_calls(model: FakeModel) -> None:
    async with an_engine(model, threads=2) as engine:
        await engine.embed_document("free-of-ourselves", Priority.QUERY)
        ORIGIN.set(Origin(1, 1))
        await engine.embed_document("free-of-the-same-peer", Priority.QUERY)
        await begin(model)
        await begin(model)
        held = [embed(engine, f"stuck-{number}", Priority.BULK) for number in range(2)]
        await begin(model)
        await begin(model)
        model.end.set()
        await asyncio.gather(*held)


async def test_a_full_queue_refuses(engine: Engine, model: FakeModel) -> None:
    tasks = [embed(engine, long("running"), Priority.STORE)]
    await begin(model)
    tasks += [embed(engine, long(f"waiting{n}"), Priority.STORE) for n in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await engine.embed_document(long("one more"), Priority.QUERY)
    assert cast("int", refused.value.data["retry_after_ms"]) > 0
    model.gate.set()
    await asyncio.gather(*tasks)


async def test_what_is_cancelled_while_it_waits_is_never_begun(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, long("running"), Priority.STORE)
    await begin(model)
    waiting = embed(engine, long("cancelled"), Priority.STORE)
    last = embed(engine, long("last"), Priority.STORE)
    await asyncio.sleep(0)
    waiting.cancel()
    model.gate.set()
    await asyncio.gather(running, last)
    assert model.order() == ["running", "last"]


async def test_cancelled_texts_leave_their_place_in_the_queue(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, long("running"), Priority.STORE)
    await begin(model)
    waiting = [embed(engine, long(f"waiting{n}"), Priority.BULK) for n in range(4)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    query = embed(engine, long("query"), Priority.QUERY)
    await asyncio.sleep(0)
    model.gate.set()
    assert len(await query) == 1
    await running


async def test_what_is_cancelled_while_it_runs_is_finished_and_thrown_away(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, long("running"), Priority.STORE)
    await begin(model)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    model.gate.set()
    await engine.embed_document(long("next"), Priority.STORE)
    assert model.order() == ["running", "next"]


async def test_a_failure_is_told_and_not_cached(engine: Engine, model: FakeModel) -> None:
    model.gate.set()
    model.failing = True
    with pytest.raises(EmbeddingFailed):
        await engine.embed_document("text", Priority.STORE)
    model.failing = False
    assert len(await engine.embed_document("text", Priority.STORE)) == 1


async def test_the_last_used_texts_are_cached(engine: Engine, model: FakeModel) -> None:
    model.gate.set()
    for text in ("a", "b", "a", "c", "a", "b"):
        await engine.embed_document(text, Priority.STORE)
    assert model.order() == ["a", "b", "c", "b"]
    facts = engine.facts()
    assert (facts.cache_hits, facts.cache_misses, facts.cache_size) == (2, 4, 2)


async def test_a_long_text_has_passages_that_cover_it(engine: Engine, model: FakeModel) -> None:
    model.gate.set()
    text = " ".join(f"w{number}" for number in range(30))
    passages = await engine.embed_document(text, Priority.STORE)
    assert len(passages) > 3
    assert (passages[0].start, passages[-1].end) == (0, len(text))
    for one, following in itertools.pairwise(passages):
        assert following.start <= one.end


async def test_a_closed_engine_refuses_what_waits_at_once(engine: Engine, model: FakeModel) -> None:
    loop = asyncio.get_running_loop()
    running = embed(engine, long("running"), Priority.STORE)
    await begin(model)
    waiting = embed(engine, long("waiting"), Priority.STORE)
    await asyncio.sleep(0)
    closing = loop.create_task(engine.close())
    begun = loop.time()
    await asyncio.wait({waiting}, timeout=5)  # the model still works on the first text
    waited_s = loop.time() - begun
    model.gate.set()
    await asyncio.gather(closing, running)
    with pytest.raises(Unavailable):
        await waiting
    assert model.order() == ["running"]
    assert waited_s < 4
