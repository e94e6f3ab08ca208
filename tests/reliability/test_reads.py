"""Reads beside maintenance, which takes old files away: a find of fuzzing."""

from pathlib import Path
from typing import Any

from cco_knowledge.store import schema
from real_store import drafts, opened


class Gone:
    """A query of a table that was opened anew since."""

    async def execute(self, *_: Any) -> Any:
        raise RuntimeError("lance error: Not found: data/a.lance")


async def test_a_read_whose_files_are_gone_is_made_anew_of_the_table_of_now(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(20)))
        made: list[Any] = [Gone()]
        batches = await store._collect(
            lambda: made.pop() if made else store._query(schema.ENTRY_COLUMNS, None)
        )
        assert sum(batch.num_rows for batch in batches) == 20
