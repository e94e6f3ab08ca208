"""Tables that older versions of this daemon wrote, step by step to the present schema.

The folder is linked into `backups/` beside it before anything is changed: LanceDB never writes to a
file twice, so that the links hold what was there and cost no room until they differ.
"""

import logging
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cco_knowledge.store import schema
from cco_knowledge.store.native import Scannable, pa
from cco_knowledge.terms import terms
from cco_knowledge.types import ModelIdentity

_log = logging.getLogger(__name__)

Columns = dict[str, Any]
"""Arrow arrays by name, of equal length."""


async def upgrade(table: Any, version: int, model: ModelIdentity, folder: Path) -> None:
    """Rewrite all rows in one commit. Holds the whole table in memory."""
    backup = _linked_copy(folder, version)
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
    _log.warning(
        "the store was upgraded from schema version %d to %d; what it was is in %s",
        version,
        schema.SCHEMA_VERSION,
        backup,
    )


def _linked_copy(folder: Path, version: int) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    backup = folder.parent / "backups" / f"{folder.name}-schema-{version}-{moment}"
    backup.parent.mkdir(mode=0o700, exist_ok=True)
    return Path(shutil.copytree(folder, backup, copy_function=os.link))


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


_STEPS: tuple[Callable[[Columns], Columns], ...] = (_with_terms_and_successors, _with_migrations)
"""The first one leads from version 1 to 2."""
