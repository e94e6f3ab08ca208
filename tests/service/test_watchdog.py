"""The watchdog is fed only while the writer and the embedder do their work."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from cco_knowledge.embedding.engine import Engine, load_engine
from cco_knowledge.models import resolve_model
from cco_knowledge.service_manager import ServiceManager
from cco_knowledge.store.writer import Writer
from cco_knowledge.watchdog import Part, feed
from service.activation import Ear

INTERVAL_S = 0.2
LIMIT_S = 0.3


@pytest.fixture
def ear(home: Path) -> Iterator[Ear]:
    made = Ear(str(home / "notify"))
    yield made
    made.close()


@asynccontextmanager
async def fed(ear: Ear, part: Part) -> AsyncIterator[None]:
    feeding = asyncio.create_task(feed(ServiceManager(ear.address, INTERVAL_S), part))
    yield
    feeding.cancel()
    await asyncio.wait({feeding})


async def assert_starved(ear: Ear) -> None:
    """Its limit passes, and a while after it nothing comes any more."""
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(hear_for_ever, ear)


def hear_for_ever(ear: Ear) -> NoReturn:
    while True:
        ear.wait_for("WATCHDOG=1", 4 * INTERVAL_S)


async def test_a_change_that_hangs_starves_it(ear: Ear) -> None:
    writer, gate = Writer(lambda _: asyncio.sleep(0, [])), asyncio.Event()
    running = asyncio.create_task(writer.run())
    async with fed(ear, Part("writer", writer.prove, LIMIT_S)):
        await asyncio.to_thread(ear.wait_for, "WATCHDOG=1")
        changing = asyncio.create_task(writer.change(gate.wait))
        await assert_starved(ear)
        gate.set()
        await asyncio.to_thread(ear.wait_for, "WATCHDOG=1")
    writer.close()
    await asyncio.gather(running, changing)


@pytest.fixture
async def engine(home: Path) -> AsyncIterator[Engine]:
    spec = resolve_model("all-MiniLM-L6-v2", home / "models")
    made = await asyncio.to_thread(load_engine, spec, threads=2, queue_size=2, cache_size=8)
    yield made
    await made.close()


async def test_a_model_that_hangs_starves_it(ear: Ear, engine: Engine) -> None:
    gate = threading.Event()
    async with fed(ear, Part("embedder", engine.prove, LIMIT_S)):
        await asyncio.to_thread(ear.wait_for, "WATCHDOG=1")
        for worker in engine._workers:
            worker._thread.submit(gate.wait)
        await assert_starved(ear)
        gate.set()
        await asyncio.to_thread(ear.wait_for, "WATCHDOG=1")
    assert engine.facts().cache_size == 0


async def test_one_core_that_hangs_starves_it_while_others_work(ear: Ear, engine: Engine) -> None:
    async with fed(ear, Part("embedder", engine.prove, LIMIT_S)):
        await asyncio.to_thread(ear.wait_for, "WATCHDOG=1")
        engine._workers[1].busy_since_s = float("-inf")  # as one that took its passage long ago
        await assert_starved(ear)
        engine._workers[1].busy_since_s = None


async def test_nobody_is_told_where_nobody_watches() -> None:
    await asyncio.wait_for(feed(ServiceManager()), 1.0)
