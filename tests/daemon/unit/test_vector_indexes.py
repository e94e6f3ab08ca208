"""A large table gets an index of its vectors by itself, and nobody can tell but by the time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import large_table
from cco_knowledge.store import backlog, vector_indexes
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.limited import LimitedStore
from cco_knowledge.store.vector_indexes import probing
from cco_knowledge.types import Filters, Match
from large_table import entry, near
from real_store import silent

N_ROWS = 21_000
UNSEEN = range(500_000, 500_020)
"""Vectors that no row has."""
SOME = Filters(types=("general",), include_superseded=True)
FEW = Filters(project_ids=("p3",), include_superseded=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "knowledge"
    large_table.fill(folder, N_ROWS)
    return folder


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[LanceStore]:
    store = await LanceStore.open(folder, large_table.MODEL, 32 << 20)
    try:
        yield store
    finally:
        await store.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  # of what tells nobody
            await asyncio.sleep(0.01)


async def indexed(store: LanceStore) -> None:
    await until(lambda: set(store.vector_indexes.n_parts) == {"vector", "passages"})


async def store_one_by_one(store: LanceStore, numbers: range) -> None:
    for number in numbers:
        (outcome,) = await store.insert([Draft(entry(number), "return", False)])
        assert not isinstance(outcome, Exception)


def found(matches: Sequence[Match]) -> list[str]:
    return [match.id for match in matches[:10]]


async def recall(store: LanceStore, filters: Filters) -> float:
    """Of the ten nearest. Scores must be those of the exact search."""
    hits = 0
    for number in UNSEEN:
        matches = await store.nearest(near(number), filters, 100)
        exact = await store.nearest(near(number), filters, 100, exact=True)
        scores = {match.id: match.score for match in exact}
        assert all(abs(scores.get(m.id, m.score) - m.score) < 1e-6 for m in matches)
        hits += len(set(found(matches)) & set(found(exact)))
    return hits / (10 * len(UNSEEN))


async def test_it_comes_by_itself_and_stays(folder: Path) -> None:
    async with opened(folder) as store:
        await indexed(store)
        assert await recall(store, ANY) >= 0.98
        assert await recall(store, SOME) >= 0.98
        assert await recall(store, FEW) == 1.0
        for number in range(0, 1000, 50):
            (match,) = await store.nearest(near(large_table.FURTHER + number), ANY, 1)
            assert (match.id, round(match.score, 5)) == (f"e{number}", 1.0)
    async with opened(folder) as store:
        assert set(store.vector_indexes.n_parts) == {"vector", "passages"}


async def test_new_rows_are_found_at_once_and_deleted_ones_never(folder: Path) -> None:
    async with opened(folder) as store:
        await indexed(store)
        new = range(600_000, 600_010)
        await store_one_by_one(store, new)
        for number in new:
            assert found(await store.nearest(near(number), ANY, 1)) == [f"e{number}"]
        await store.delete(large_table.ids([600_000, 7, 8]))
        for number in (600_000, 7, 8):
            assert f"e{number}" not in found(await store.nearest(near(number), ANY, 10))


@pytest.mark.parametrize("filters", [ANY, SOME, FEW])
@pytest.mark.parametrize("least", [None, 0.9])
async def test_several_vectors_find_what_each_finds_alone(
    folder: Path, filters: Filters, least: float | None
) -> None:
    vectors = [near(number) for number in (*UNSEEN, 5, large_table.FURTHER + 50)]
    async with opened(folder) as store:
        await indexed(store)
        exact = [await store.nearest(v, filters, 30, exact=True, least=least) for v in vectors]
        alone = [await store.nearest(v, filters, 30, least=least) for v in vectors]
        assert any(exact)
        each = await store.nearest_to_each(vectors, filters, 30, exact=True, least=least)
        assert each == exact
        by_index = await store.nearest_to_each(vectors, filters, 30, least=least)
        assert by_index in (alone, exact)  # all are exact where an index finds too few for one


async def test_a_limited_caller_is_answered_exactly(folder: Path) -> None:
    projects = [f"p{number}" for number in range(20)]
    async with opened(folder) as store:
        await indexed(store)
        limited = LimitedStore(store, projects)
        own = Filters(project_ids=tuple(projects))
        for number in UNSEEN:
            answer = await limited.nearest(near(number), ANY, 100)
            assert answer == await store.nearest(near(number), own, 100, exact=True)


async def test_large_files_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_LARGE_FOLD_ROWS", 60)
    async with opened(folder) as store:
        await indexed(store)
        await store.optimize(silent)
        largest = max((folder / "knowledge.lance/data").iterdir(), key=lambda f: f.stat().st_size)
        begun = store.work.compactions
        await store_one_by_one(store, range(700_001, 700_050))
        await store_one_by_one(store, range(700_050, 700_080))
        await until(lambda: store.work.compactions > begun)
        await store.optimize(silent)
        facts = await store.facts()
        assert largest.exists()
        assert facts.fragments < 8
        assert facts.unindexed_rows == 0
        assert store.work.compaction_failures == 0


async def test_a_damaged_one_is_dropped_and_made_anew(folder: Path) -> None:
    async with opened(folder) as store:
        await indexed(store)
    files = [*(folder / "knowledge.lance/_indices").rglob("auxiliary.idx")]
    assert len(files) >= 2
    for file in files:
        file.write_bytes(file.read_bytes()[:-100])
    async with opened(folder) as store:
        assert store.work.indexes_rebuilt == 2
        assert found(await store.nearest(near(5), ANY, 1)) == ["e5"]
        await indexed(store)
        assert await recall(store, ANY) >= 0.98


async def test_changes_go_on_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_indexes, "FROM_ROWS", 2000)
    monkeypatch.setattr(vector_indexes, "_EXACT_ROWS", 100)
    await asyncio.to_thread(large_table.fill, tmp_path / "knowledge", 2500)
    async with opened(tmp_path / "knowledge") as store:
        changed = 0
        while len(store.vector_indexes.n_parts) < 2:
            await store.delete([f"e{changed}"])
            await store.replace(replace(entry(changed + 1).entry, agent="other"), None)
            await store_one_by_one(store, range(20_000 + changed, 20_001 + changed))
            changed += 2
        for number in range(0, changed, 2):
            assert f"e{number}" not in found(await store.nearest(near(number), ANY, 10))
            for there in (number + 1, 20_000 + number):
                assert found(await store.nearest(near(there), ANY, 1)) == [f"e{there}"]
        assert store.work.compaction_failures == 0
        assert not (await store.verify(silent)).problems


def test_the_fewer_pass_the_more_lists_are_looked_through() -> None:
    lists = [probing(1_000_000, share).lists for share in (1.0, 0.1, 0.01)]
    assert lists == sorted(set(lists))
    assert lists[-1] <= 1000
