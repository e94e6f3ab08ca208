"""A table that is written anew: the same rows, one version, and no file of before."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.store import renewal
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import Entry
from real_store import MODEL, drafts, opened, silent


class Crash(Exception):
    pass


async def all_entries(store: LanceStore) -> list[Entry]:
    page = await store.query(ANY, order_by="id", descending=False, limit=1000, start=None)
    return list(page.entries)


def table_files(folder: Path) -> set[str]:
    found = (file for file in folder.rglob("*.lance/**/*") if file.is_file())
    return {str(file.relative_to(folder)) for file in found if "latest_version" not in file.name}


async def test_the_rows_stay_and_every_file_is_new(tmp_path: Path) -> None:
    async with opened(tmp_path / "k") as store:
        await store.insert(drafts(range(300)))
        await store.delete([f"e{number}" for number in range(0, 300, 7)])
        before, old = await all_entries(store), table_files(tmp_path)
        others = asyncio.create_task(store.insert(drafts([900])))
        await store.renew()
        await others
        assert [e for e in await all_entries(store) if e.id != "e900"] == before
        assert not old & table_files(tmp_path)
        verified = await store.verify(silent)
        assert (list(verified.problems), verified.rows) == ([], len(before) + 1)
        assert await store.matching(["word7"], ANY, 5)
    async with opened(tmp_path / "k") as again:
        assert await again.count(ANY) == len(before) + 1


async def test_a_crash_in_the_middle_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are there in one commit; the indexes are made by whoever opens the table."""

    async def crash(_table: Any) -> None:
        raise Crash

    async with opened(tmp_path / "k") as store:
        await store.insert(drafts(range(50)))
        before = await all_entries(store)
    store = await LanceStore.open(tmp_path / "k", MODEL, 32 << 20)
    monkeypatch.setattr(renewal, "ensure_indexes", crash)
    with pytest.raises(Crash):
        await renewal.renew(store._folder)
    await store.close()
    monkeypatch.undo()
    async with opened(tmp_path / "k") as again:
        assert await all_entries(again) == before
        assert list((await again.verify(silent)).problems) == []
