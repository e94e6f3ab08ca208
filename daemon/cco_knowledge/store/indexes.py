"""The table's indexes: full text over our own terms, and one for each column that filters ask.

They are there before the first search. LanceDB looks through rows that an index does not cover yet
one by one (2.4 µs a row for full text); compaction folds them in. A filter by project takes 1.7 ms
with its index and 6 ms without at 10,000 rows.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cco_knowledge.store.filters import equals, one_of
from cco_knowledge.store.native import pa, panics_caught
from cco_knowledge.store.vector_indexes import HAS_VECTORS, drop


@dataclass(frozen=True, slots=True)
class FTS:
    """BM25 over terms parted by spaces, just as `terms.terms` made them.

    The binding reads the name of the class and these attributes.
    """

    with_position: bool = False
    base_tokenizer: str = "whitespace"
    language: str = "English"
    max_token_length: int | None = None
    lower_case: bool = False
    stem: bool = False
    remove_stop_words: bool = False
    custom_stop_words: tuple[str, ...] | None = None
    ascii_folding: bool = False
    ngram_min_length: int = 3
    ngram_max_length: int = 3
    prefix_only: bool = False
    block_size: int = 128
    memory_limit: int | None = None
    num_workers: int | None = None
    document_granularity: str = "row"


class Bitmap:
    """For columns of few different values."""


class BTree:
    """For columns of many."""


class LabelList:
    """For lists of values."""


_INDEXES = {
    "terms": FTS,
    "id": BTree,
    "timestamp": BTree,
    "superseded_at": BTree,
    "session_id": BTree,
    "project_id": Bitmap,
    "type": Bitmap,
    "agent": Bitmap,
    "metadata_digests": LabelList,
}
INDEXED_COLUMNS = tuple(_INDEXES)
_CHECKED_COLUMNS = (*INDEXED_COLUMNS, *HAS_VECTORS)
_log = logging.getLogger(__name__)
_MAGIC = b"LANC"
"""The end of each of LanceDB's files."""
_WORDS = 8
_NEAR_LISTS = 4
_REFINE = 10
_SAME = 1e-4
"""A distance that rounding explains."""


async def ensure_indexes(table: Any) -> None:
    """Make those that are missing: all in a new table."""
    present = {column for index in await table.list_indices() for column in index.columns}
    for column, kind in _INDEXES.items():
        if column not in present:
            await table.create_index(column, kind(), True, None, name=f"{column}_idx", train=True)


async def rebuild(table: Any, columns: Collection[str]) -> None:
    """Each in one commit, which replaces the index that is there; of vectors none is put there."""
    for column in columns:
        if column in HAS_VECTORS:
            await drop(table, column)
            continue
        kind = _INDEXES[column]
        await table.create_index(column, kind(), True, None, name=f"{column}_idx", train=True)
    if columns:
        _log.error("damaged indexes were rebuilt: %s", ", ".join(columns))


async def broken(table: Any, folder: Path) -> list[str]:
    """The columns whose index has lost a file, or does not lead to one of the rows.

    `folder`: of the table. Costs some milliseconds; `kmctl verify` asks for more than one row.
    """
    query = table.query()
    query.limit(1)
    query.select_columns([*_CHECKED_COLUMNS])
    stream = await query.execute(None, None)
    rows = [row async for batch in stream for row in batch.to_pylist()]
    return [
        index.columns[0]
        for index in await table.list_indices()
        if index.columns[0] in _CHECKED_COLUMNS
        and not (_is_whole(index, folder) and await _finds(table, index.columns[0], rows))
    ]


def _is_whole(index: Any, folder: Path) -> bool:
    files = list((folder / "_indices" / str(index.index_uuid)).glob("*"))
    size_bytes = sum(file.stat().st_size for file in files)
    is_known = index.num_segments == 1 and index.size_bytes is not None
    return all(map(_has_end, files)) and (not is_known or size_bytes == index.size_bytes)


def _has_end(file: Path) -> bool:
    with file.open("rb") as opened:
        size_bytes = opened.seek(0, 2)
        opened.seek(max(0, size_bytes - len(_MAGIC)))
        return opened.read() == _MAGIC


async def _finds(table: Any, column: str, rows: list[dict[str, Any]]) -> bool:
    try:
        with panics_caught():
            return all([await _leads_to(table, column, row) for row in rows])
    except (RuntimeError, ValueError, OSError):
        return False


async def _leads_to(table: Any, column: str, row: dict[str, Any]) -> bool:
    value = row[column]
    if column in HAS_VECTORS:
        return not value or await finds_vector(
            table, column, value if column == "vector" else value[0]
        )
    if column == "terms":
        return not value or await _finds_words(table, row["id"], value)
    if isinstance(value, list):  # asked for what no row has, the index is opened too
        return int(await table.count_rows(equals(column, (value or [0])[0]))) > 0 or not value
    condition = f"{column} IS NULL" if value is None else equals(column, value)
    return int(await table.count_rows(condition)) > 0


async def _finds_words(table: Any, entry_id: str, terms: str) -> bool:
    words = " ".join(terms.split(" ")[:_WORDS])
    query = table.query().nearest_to_text({"query": words, "columns": ["terms"]})
    query.where(one_of("id", [entry_id]))
    query.select_columns(["id", "_score"])
    query.limit(1)
    return any([batch.num_rows async for batch in await query.execute(None, None)])


async def finds_vector(table: Any, column: str, vector: Sequence[float]) -> bool:
    """Whether the index leads to something as near as the vector itself."""
    query = table.query().nearest_to(pa.array(vector, pa.float32()))
    query.column(column)
    query.distance_type("cosine")
    query.select_columns(["id", "_distance"])
    query.limit(1)
    query.nprobes(_NEAR_LISTS)
    query.refine_factor(_REFINE)
    stream = await query.execute()
    distances = [d async for batch in stream for d in batch.column("_distance").to_pylist()]
    return bool(distances) and abs(distances[0]) < _SAME
