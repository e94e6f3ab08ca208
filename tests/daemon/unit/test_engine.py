"""The embedding engine with a model whose speed the test decides."""

import array
import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cco_knowledge.embedding.engine import Engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.embedding.native import Model
from cco_knowledge.errors import EmbeddingFailed, Overloaded, Unavailable
from cco_knowledge.models import ModelSpec
from cco_knowledge.types import Passage, Vector

WINDOW = 8


def vector_of(*numbers: float) -> Vector:
    return Vector(array.array("f", numbers).tobytes())


class FakeModel:
    """One token a word; a vector is (1, 0); embedding waits for `gate` and notes its order."""

    dim = 2

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.embedded: list[int] = []
        self.words: list[str] = []
        self.failing = False

    def tokens(self, text: str) -> Sequence[int]:
        words = text.split()
        self.words += [word for word in dict.fromkeys(words) if word not in self.words]
        return [self.words.index(word) for word in words]

    def new_context(self, _window: int, _pooling: str) -> "FakeModel":
        return self

    def embed(self, tokens: Sequence[int], _n_threads: int) -> Vector:
        self.begun.release()
        assert self.gate.wait(30)
        if self.failing:
            raise EmbeddingFailed("no vector")
        self.embedded.append(tokens[0])
        return vector_of(1, 0)

    def order(self) -> list[str]:
        return [self.words[number] for number in self.embedded]

    def close(self) -> None:
        pass


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def engine(model: FakeModel) -> AsyncIterator[Engine]:
    spec = ModelSpec("fake", Path("fake"), "0" * 64, 2, "mean", WINDOW, "", "")
    made = Engine(spec, cast("Model", model), threads=1, queue_size=4, cache_size=2)
    yield made
    model.gate.set()
    await made.close()


async def begin(model: FakeModel) -> None:
    """Return when the one core is busy."""
    assert await asyncio.to_thread(model.begun.acquire, timeout=30)


def embed(engine: Engine, text: str, priority: Priority) -> "asyncio.Task[Sequence[Passage]]":
    return asyncio.create_task(cast("Any", engine.embed_document(text, priority)))


async def test_queries_go_before_stores_before_bulk(engine: Engine, model: FakeModel) -> None:
    tasks = [embed(engine, "running", Priority.BULK)]
    await begin(model)
    tasks += [embed(engine, priority.name, priority) for priority in reversed(Priority)]
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(*tasks)
    assert model.order() == ["running", "QUERY", "STORE", "BULK"]


async def test_a_full_queue_refuses(engine: Engine, model: FakeModel) -> None:
    tasks = [embed(engine, "running", Priority.STORE)]
    await begin(model)
    tasks += [embed(engine, f"waiting{n}", Priority.STORE) for n in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await engine.embed_document("one more", Priority.QUERY)
    assert cast("int", refused.value.data["retry_after_ms"]) > 0
    model.gate.set()
    await asyncio.gather(*tasks)


async def test_what_is_cancelled_while_it_waits_is_never_begun(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, "running", Priority.STORE)
    await begin(model)
    waiting = embed(engine, "cancelled", Priority.STORE)
    last = embed(engine, "last", Priority.STORE)
    await asyncio.sleep(0)
    waiting.cancel()
    model.gate.set()
    await asyncio.gather(running, last)
    assert model.order() == ["running", "last"]


async def test_cancelled_texts_leave_their_place_in_the_queue(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, "running", Priority.STORE)
    await begin(model)
    waiting = [embed(engine, f"waiting{n}", Priority.BULK) for n in range(4)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    query = embed(engine, "query", Priority.QUERY)
    await asyncio.sleep(0)
    model.gate.set()
    assert len(await query) == 1
    await running


async def test_what_is_cancelled_while_it_runs_is_finished_and_thrown_away(
    engine: Engine, model: FakeModel
) -> None:
    running = embed(engine, "running", Priority.STORE)
    await begin(model)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    model.gate.set()
    await engine.embed_document("next", Priority.STORE)
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
    running = embed(engine, "running", Priority.STORE)
    await begin(model)
    waiting = embed(engine, "waiting", Priority.STORE)
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
