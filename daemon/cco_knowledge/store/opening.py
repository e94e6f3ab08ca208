"""The table and what is around it, from the folder on the disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cco_knowledge.errors import StartRefused
from cco_knowledge.store import schema
from cco_knowledge.store.native import lance
from cco_knowledge.types import ModelIdentity

TABLE = "knowledge"


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path
    cache_bytes: int

    async def connect(self) -> Any:
        """With empty caches."""
        half = self.cache_bytes // 2
        session = lance.Session(index_cache_size_bytes=half, metadata_cache_size_bytes=half)
        path = str(self.path)
        return await lance.connect(path, None, None, None, None, None, None, None, session)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"The folder {folder} for the store cannot be made: {error.strerror}. Move away "
            "what is in its place."
        ) from error


async def open_table(connection: Any, model: ModelIdentity) -> Any:
    if TABLE in await connection.table_names(None, None, None):
        return await reopen_table(connection)
    return await connection.create_empty_table(
        TABLE, "create", schema.table_schema(model), None, None, None
    )


async def reopen_table(connection: Any) -> Any:
    """A further handle: it stays at the version that it finds."""
    return await connection.open_table(TABLE, None, None, None, None)


async def ensure_primary_key(table: Any) -> None:
    """Without it LanceDB's upserts duplicate new keys silently (lancedb#2463)."""
    if not (await table.schema()).field("id").metadata:
        await table.set_unenforced_primary_key(["id"])
