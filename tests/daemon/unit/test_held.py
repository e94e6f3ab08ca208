"""The vectors of a small table are held in memory, and nobody can tell but by the time."""

import asyncio
import json
import random
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import large_table
from cco_knowledge.store import held, packed, postings, vector_indexes, words
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.metadata import metadata_digest, metadata_digests
from cco_knowledge.store.nearest import LanceNearest
from cco_knowledge.store.scoring import bm25
from cco_knowledge.terms import terms
from cco_knowledge.types import EmbeddedEntry, Filters, Vector
from large_table import entry, near
from real_store import silent

N_ROWS = 300
FILTERS = [
    ANY,
    Filters(),
    Filters(project_ids=("p3",)),
    Filters(types=("general",), include_superseded=True),
    Filters(agents=("other",), since="2026-11-10T00:00:00.000Z"),
    Filters(project_ids=("nowhere",)),
    Filters(project_ids=("p1", "p2", "p3"), types=("general", "none")),
    Filters(session_ids=("s0", "s2"), until="2026-11-12T00:00:00.000Z"),
    Filters(until="2026-11-20T10:00:00.000Z"),
    Filters(metadata_digests=(metadata_digest("third", 1),), types=("decision",)),
    Filters(metadata_digests=tuple(metadata_digest("third", third) for third in (0, 1))),
]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LanceStore]:
    await asyncio.to_thread(large_table.fill, tmp_path / "knowledge", N_ROWS)
    opened = await LanceStore.open(tmp_path / "knowledge", large_table.MODEL, 32 << 20)
    yield opened
    await opened.close()


@pytest.fixture
def only_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = LanceNearest._nearest_in

    async def refuse(store: LanceNearest, column: str, *further: Any) -> Any:
        """Rows that moved since they were found are still compared by LanceDB."""
        assert column == "passages"
        return await asked(store, column, *further)

    monkeypatch.setattr(LanceNearest, "_nearest_in", refuse)


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(array("f", one), array("f", other), strict=True))


def passes(one: EmbeddedEntry, filters: Filters) -> bool:
    own = one.entry
    digests = metadata_digests(json.loads(own.metadata))
    return (
        own.project_id in (filters.project_ids or (own.project_id,))
        and own.type in (filters.types or (own.type,))
        and own.agent in (filters.agents or (own.agent,))
        and own.session_id in (filters.session_ids or (own.session_id,))
        and (filters.since or "") <= own.timestamp <= (filters.until or "9")
        and all(digest in digests for digest in filters.metadata_digests)
        and (filters.include_superseded or (own.superseded_at or "9") > (filters.until or "8"))
    )


async def check(store: LanceStore, expected: dict[str, EmbeddedEntry], unseen: int) -> None:
    """That the ten nearest are those of comparing all, one by one."""
    vector = near(unseen)
    for filters in FILTERS:
        cosines = {
            one.entry.id: max(cosine(vector, passage.vector) for passage in one.passages)
            for one in expected.values()
            if passes(one, filters)
        }
        best = sorted(cosines, key=lambda entry_id: -cosines[entry_id])[:10]
        assert await store.count(filters) == len(cosines)
        found = await store.nearest(vector, filters, 10)
        assert [match.id for match in found] == best
        assert all(abs(match.score - cosines[match.id]) < 1e-5 for match in found)
        read = await store.embedded([match.id for match in found], filters, found)
        assert read == [expected[entry_id] for entry_id in best]
        got = await store.get([*best, "nobody"], filters)
        assert got == [expected[entry_id].entry for entry_id in best]
        similarities = await store.similarities(vector, found)
        assert all(abs(similarities[one] - cosines[one]) < 1e-5 for one in best)
        await check_words(store, expected, filters)


async def check_words(
    store: LanceStore, expected: dict[str, EmbeddedEntry], filters: Filters
) -> None:
    """LanceDB's own scores count entries that are gone, until the next fold."""
    query = ["cart", "42", "nobody", "cart"]
    documents = {one.entry.id: terms(one.entry.text) for one in expected.values()}
    scores = {
        entry_id: score
        for entry_id, score in bm25(query[:3], documents, len(documents)).items()
        if score and passes(expected[entry_id], filters)
    }
    found = await store.matching(query, filters, len(expected))
    assert {match.id for match in found} == set(scores)
    index = store._held.current
    if index is not None and index.held_terms(query) is not None:
        assert all(abs(match.score - scores[match.id]) < 1e-5 for match in found)
        ranks = [match.score for match in found]
        assert ranks == sorted(ranks, reverse=True)
        assert await store.matching(query, filters, 7) == found[:7]


async def insert(store: LanceStore, number: int, supersedes: tuple[str, ...] = ()) -> None:
    draft = Draft(entry(number), "return", has_given_timestamp=True, supersedes=supersedes)
    (outcome,) = await store.insert([draft])
    assert not isinstance(outcome, Exception)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("only_memory")
async def test_it_follows_every_change(store: LanceStore, seed: int) -> None:
    source = random.Random(seed)
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    await check(store, expected, 900_000)
    for step in range(40):
        what = source.choice(["insert", "delete", "replace", "supersede", "fold", "renew"])
        chosen = source.choice(sorted(expected))
        number = 1000 + 10 * step
        if what == "insert":
            await insert(store, number)
            expected[f"e{number}"] = entry(number)
        elif what == "delete" and not any(
            one.entry.superseded_by == chosen for one in expected.values()
        ):
            assert await store.delete([chosen]) == 1
            del expected[chosen]
        elif what == "replace":
            changed = replace(expected[chosen].entry, agent="other")
            await store.replace(changed, None)
            expected[chosen] = replace(expected[chosen], entry=changed)
        elif what == "supersede" and expected[chosen].entry.superseded_by is None:
            await insert(store, number, (chosen,))
            expected[f"e{number}"] = entry(number)
            marked = replace(
                expected[chosen].entry,
                superseded_by=f"e{number}",
                superseded_at=entry(number).entry.timestamp,
            )
            expected[chosen] = replace(expected[chosen], entry=marked)
        elif what == "fold":
            await store.optimize(silent)
        elif what == "renew":
            await store.renew()
        await check(store, expected, 900_000 + step)


@pytest.mark.usefixtures("only_memory")
async def test_what_was_stored_is_found_beside_folding(store: LanceStore) -> None:
    async def fold() -> None:
        while True:
            await store.optimize(silent)

    folding = asyncio.create_task(fold())
    for number in range(1000, 1060):
        await insert(store, number)
        own = Filters(project_ids=(entry(number).entry.project_id,))
        (found,) = await store.nearest(near(number), own, 1)
        assert found.id == f"e{number}"
    folding.cancel()
    await asyncio.wait({folding})


async def test_what_is_written_is_told_and_not_read(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    await check(store, expected, 900_000)

    async def refuse(_: held.Held) -> None:
        pytest.fail("the rows are read")

    monkeypatch.setattr(held.Held, "_read", refuse)
    for number in range(1000, 1020):  # small files become one meanwhile
        await insert(store, number)
        expected[f"e{number}"] = entry(number)
    changed = replace(expected["e1003"].entry, agent="other")
    await store.replace(changed, None)
    expected["e1003"] = replace(expected["e1003"], entry=changed)
    await insert(store, 1020, ("e1004",))
    expected["e1020"] = entry(1020)
    marked = replace(
        expected["e1004"].entry,
        superseded_by="e1020",
        superseded_at=entry(1020).entry.timestamp,
    )
    expected["e1004"] = replace(expected["e1004"], entry=marked)
    await store.optimize(silent)
    await check(store, expected, 900_001)


async def test_what_cannot_be_held_is_stored_all_the_same(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    await check(store, expected, 900_000)

    def fail(_batch: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(packed, "pack", fail)
        await insert(store, 1000)
    assert "the table has to be read anew: MemoryError" in caplog.text
    expected["e1000"] = entry(1000)
    await check(store, expected, 900_001)


async def test_a_cosine_does_not_depend_on_what_else_is_held(store: LanceStore) -> None:
    vectors = [near(900_000 + number) for number in range(20)]
    before = [await store.nearest(vector, ANY, 100) for vector in vectors]
    await store.delete(large_table.ids([number for number in range(N_ROWS) if number % 3]))
    kept = set(large_table.ids(range(0, N_ROWS, 3)))
    for vector, former in zip(vectors, before, strict=True):
        scores = {match.id: match.score for match in await store.nearest(vector, ANY, 100)}
        assert all(scores[one.id] == one.score for one in former if one.id in kept)


async def test_a_large_table_is_not_held(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    await check(store, expected, 900_000)
    monkeypatch.setattr(vector_indexes, "FROM_ROWS", N_ROWS)
    await insert(store, 1000)
    expected["e1000"] = entry(1000)
    assert await store._held.index() is None
    await check(store, expected, 900_001)
    monkeypatch.setattr(vector_indexes, "FROM_ROWS", 2 * N_ROWS)
    await store.optimize(silent)
    await check(store, expected, 900_002)


async def test_more_words_than_can_be_held_are_looked_for_by_the_index(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    monkeypatch.setattr(
        words, "_MOST_TERMS", sum(len(terms(entry(n).entry.text)) for n in range(N_ROWS))
    )
    await check(store, expected, 900_000)
    await insert(store, 1000)
    expected["e1000"] = entry(1000)
    await check(store, expected, 900_001)


@pytest.mark.parametrize(
    ("module", "limit", "most"),
    [
        (held, "_MOST_VECTORS", N_ROWS + 6),  # every fiftieth has two
        (postings, "_MOST_DIGESTS", N_ROWS),
    ],
)
async def test_nor_is_one_of_long_texts_or_much_metadata(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, most: int
) -> None:
    monkeypatch.setattr(module, limit, most)
    expected = {f"e{number}": entry(number) for number in range(N_ROWS)}
    await check(store, expected, 900_000)
    assert await store._held.index() is not None
    await insert(store, 1001)
    expected["e1001"] = entry(1001)
    assert await store._held.index() is None
    await check(store, expected, 900_001)
