"""What does not agree with the rest of the table is found."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.store.interface import ANY, Problem, Verified
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.native import Scannable, pa
from real_store import MODEL, draft, drafts, opened, silent

Damage = Callable[[Any], dict[str, Any]]


async def test_a_sound_table_has_no_problems(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(600)))
        await store.insert([draft(600, supersedes=["e3", "e4"])])
        await store.delete(["e10", "e599"])
        await store.optimize(silent)
        await store.insert(drafts(range(601, 640)))
        await store.delete(["e11", "e610"])
        told: list[tuple[int, int | None]] = []
        verified = await store.verify(lambda *progress: told.append(progress))
        assert verified.problems == []
        assert (verified.rows, verified.indexes, verified.left_over_files) == (636, 9, 0)
        assert verified.look_ups > verified.rows
        assert verified.files >= 2
        assert (told[0], told[-1]) == ((0, 636), (636, 636))


async def test_an_empty_table_is_sound(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert await store.verify(silent) == Verified(0, 9, 0, 0, 0, [])


def _of_zeros(row: Any) -> dict[str, Any]:
    return {"vector": [0.0] * MODEL.dim}


def _not_finite(row: Any) -> dict[str, Any]:
    return {"vector": [float("inf")] * MODEL.dim}


def _wrong_digest(row: Any) -> dict[str, Any]:
    return {"content_digest": b"\0" * 16}


def _wrong_terms(row: Any) -> dict[str, Any]:
    return {"terms": "something else"}


def _wrong_metadata_digests(row: Any) -> dict[str, Any]:
    return {"metadata_digests": [1]}


def _no_object(row: Any) -> dict[str, Any]:
    return {"metadata": "[]"}


def _no_json(row: Any) -> dict[str, Any]:
    return {"metadata": "{"}


def _no_time(row: Any) -> dict[str, Any]:
    return {"timestamp": "2026-13-01T00:00:00.000Z"}


def _not_covered(row: Any) -> dict[str, Any]:
    return {"passage_spans": [0, 3]}


def _span_without_vector(row: Any) -> dict[str, Any]:
    return {"passage_spans": [0, 3, 3, len(row["text"])]}


def _dangling(row: Any) -> dict[str, Any]:
    return {"superseded_by": "e-gone", "superseded_at": row["timestamp"]}


def _half_superseded(row: Any) -> dict[str, Any]:
    return {"superseded_by": "e1"}


DAMAGES: list[tuple[Damage, str]] = [
    (_of_zeros, "vector"),
    (_not_finite, "vector"),
    (_wrong_digest, "derived"),
    (_wrong_terms, "derived"),
    (_wrong_metadata_digests, "derived"),
    (_no_object, "malformed"),
    (_no_json, "malformed"),
    (_no_time, "malformed"),
    (_not_covered, "passages"),
    (_span_without_vector, "passages"),
    (_dangling, "dangling"),
    (_half_superseded, "malformed"),
]


@pytest.mark.parametrize(
    ("damage", "kind"), DAMAGES, ids=lambda value: getattr(value, "__name__", value)
)
async def test_a_damaged_row_is_found(tmp_path: Path, damage: Damage, kind: str) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(30)))
        await damaged(store, "e7", damage)
        (problem,) = (await store.verify(silent)).problems
        assert (problem.kind, problem.count, list(problem.ids)) == (kind, 1, ["e7"])
        assert problem.what
        assert "`kmctl " in problem.mend


async def test_an_id_that_is_there_twice_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(300)))
        await store._table.add(Scannable(await row(store, "e7")), "append")
        (problem,) = (await store.verify(silent)).problems
        assert (problem.kind, problem.count, list(problem.ids)) == ("duplicate_id", 1, ["e7"])


async def test_of_many_problems_ten_are_named_and_all_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(30)))
        await store._table.update({"terms": "'nothing of this'"}, "id <> 'e1'")
        (problem,) = (await store.verify(silent)).problems
        assert (problem.kind, problem.count, len(problem.ids)) == ("derived", 29, 10)


async def test_a_missing_file_is_found_and_the_others_are_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(5)))
    (lost,) = (tmp_path / "knowledge.lance/data").iterdir()
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(5, 400)))
        lost.rename(tmp_path / "lost")
        verified = await store.verify(silent)
        assert verified.rows == 395
        assert counts(verified.problems) == {"unreadable": 5, "missing_file": 1}


async def test_an_index_that_lost_its_files_is_found_and_rebuilt(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(300)))
        await store.optimize(silent)
        (index,) = [i for i in await store._table.list_indices() if i.columns == ["project_id"]]
        for file in (tmp_path / "knowledge.lance/_indices" / index.index_uuid).iterdir():
            file.unlink()
        await store.reopen()  # what is cached would hide it
        assert counts((await store.verify(silent)).problems) == {"index_entries": 4}
        assert counts((await store.verify(silent)).problems) == {}
        assert store.work.indexes_rebuilt == 1


async def test_a_missing_index_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(30)))
        await store._table.drop_index("type_idx")
        assert counts((await store.verify(silent)).problems) == {"no_index": 1}


async def test_what_is_written_meanwhile_does_not_matter(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(1500)))
        verifying = asyncio.create_task(store.verify(silent))
        for number in range(1500, 1600):
            await store.insert([draft(number)])
            await store.delete([f"e{number - 1500}"])
        verified = await verifying
        assert verified.problems == []
        assert await store.count(ANY) == 1500


async def test_cancelling_lets_the_table_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(1000)))
        begun = asyncio.Event()
        verifying = asyncio.create_task(store.verify(lambda *_: begun.set()))
        await begun.wait()
        verifying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verifying
        done = await store.optimize(silent)
        assert done.after.fragments == 1


def counts(problems: Any) -> dict[str, int]:
    found: list[Problem] = list(problems)
    return {problem.kind: problem.count for problem in found}


async def row(store: LanceStore, entry_id: str) -> Any:
    (batch,) = await store._select(store._schema.names, f"id = '{entry_id}'")
    return pa.record_batch(batch.columns, schema=store._schema)


async def damaged(store: LanceStore, entry_id: str, damage: Damage) -> None:
    """Write the row back as no daemon would."""
    (fields,) = (await row(store, entry_id)).to_pylist()
    changed = pa.RecordBatch.from_pylist([fields | damage(fields)], schema=store._schema)
    await store._table.delete(f"id = '{entry_id}'")
    await store._table.add(Scannable(changed), "append")


async def test_what_a_commit_replaced_is_not_missed(tmp_path: Path) -> None:
    """Its manifest names those files too."""
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(20)))
        await store.optimize(silent)
        await store.replace(draft(3, project_id="other").embedded.entry, None)
        await store.optimize(silent)
        await store.delete(["e4"])
        await store._table.optimize(cleanup_since_ms=0)
        assert (await store.verify(silent)).problems == []
