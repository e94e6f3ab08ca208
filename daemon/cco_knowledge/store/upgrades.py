"""Tables that older versions of this daemon wrote, step by step to the present schema.

A backup is made before anything is changed, one that `kmctl restore` takes.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cco_knowledge.backups.shelf import Backup
from cco_knowledge.errors import KnowledgeError, StartRefused
from cco_knowledge.store import schema
from cco_knowledge.store.backup import back_up
from cco_knowledge.store.native import Scannable, pa
from cco_knowledge.terms import terms
from cco_knowledge.types import ModelIdentity

_log = logging.getLogger(__name__)

Columns = dict[str, Any]
"""Arrow arrays by name, of equal length."""


async def upgrade(table: Any, version: int, model: ModelIdentity, folder: Path | None) -> None:
    """Rewrite all rows in one commit. Holds the whole table in memory.

    `folder`: of the data, of which a backup is made before; None: this is a copy already.

    Raises:
        StartRefused: no backup could be made, so nothing was changed.
    """
    backup = await _backup(table, folder) if folder else None
    columns: Columns = {}
    query = table.query()
    stream = await query.execute(None, None)
    rows = pa.Table.from_batches([batch async for batch in stream], await table.schema())
    for name in rows.schema.names:
        columns[name] = rows.column(name).combine_chunks()
    for step in _STEPS[version - 1 :]:
        columns |= step(columns)
    present = schema.table_schema(model)
    batch = pa.record_batch([columns[name] for name in present.names], schema=present)
    await table.add(Scannable(batch), "overwrite")
    if backup is not None:
        _log.warning(
            "the store was upgraded from schema version %d to %d; what it was is in %s",
            version,
            schema.SCHEMA_VERSION,
            backup.path,
        )


async def _backup(table: Any, data: Path) -> Backup:
    try:
        return await back_up(
            data, data.parent / "backups", "upgrade", partial(table.count_rows, None)
        )
    except KnowledgeError as error:
        raise StartRefused(
            "The store is of an older version and has to be upgraded, and its backup before that "
            f"could not be made. Nothing was changed. {error.message}"
        ) from error


def _with_terms_and_successors(columns: Columns) -> Columns:
    """1 → 2."""
    texts = columns["text"].to_pylist()
    return {
        "terms": pa.array([" ".join(terms(text)) for text in texts], pa.string()),
        "superseded_by": pa.nulls(len(texts), pa.string()),
        "superseded_at": pa.nulls(len(texts), pa.string()),
    }


def _with_migrations(columns: Columns) -> Columns:
    """2 → 3."""
    n_rows = len(columns["id"])
    return {
        "migration_run": pa.nulls(n_rows, pa.string()),
        "migration_record": pa.nulls(n_rows, pa.string()),
    }


def _with_sealed_values(columns: Columns) -> Columns:
    """3 → 4. What older entries hold stays as it is; `kmctl scrub` seals it."""
    return {"sealed": pa.nulls(len(columns["id"]), pa.binary())}


_STEPS: tuple[Callable[[Columns], Columns], ...] = (
    _with_terms_and_successors,
    _with_migrations,
    _with_sealed_values,
)
"""The first one leads from version 1 to 2."""
