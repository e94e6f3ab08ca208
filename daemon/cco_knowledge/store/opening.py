"""The table and what is around it, from the folder on the disk."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cco_knowledge.backups import files
from cco_knowledge.backups.manifest import TABLE_FOLDER
from cco_knowledge.errors import StartRefused
from cco_knowledge.store import healing, indexes, schema
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import category
from cco_knowledge.store.kept_files import clear_up
from cco_knowledge.store.native import lance, panics_caught
from cco_knowledge.store.scan import Unreadable
from cco_knowledge.store.upgrades import upgrade
from cco_knowledge.types import ModelIdentity

TABLE = "knowledge"
_NEW = ".new-"
_SMALL_TABLE_BYTES = 8 << 20
_DECODED = 2
"""An index in memory, over what it takes on the disk."""


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path
    cache_bytes: int

    async def connect(self, vector_index_bytes: int = 0) -> Any:
        """With empty caches, which have room for the indexes of vectors beside all else.

        A table without those is small: what its searches use again takes less than 8 MB, and the
        caches would fill with what each commit leaves behind.
        """
        most_bytes = self.cache_bytes if vector_index_bytes else _SMALL_TABLE_BYTES
        half = min(self.cache_bytes, most_bytes) // 2
        session = lance.Session(
            index_cache_size_bytes=half + _DECODED * vector_index_bytes,
            metadata_cache_size_bytes=half,
        )
        path = str(self.path)
        return await lance.connect(path, None, None, None, None, None, None, None, session)

    async def open(
        self, model: ModelIdentity, disk: Disk, *, in_doubt: bool, is_copy: bool
    ) -> "Opened":
        """The table as it is, or made, or healed, in the present schema, with sound indexes.

        Raises:
            StartRefused: another model's, of another schema, or one that cannot be read.
        """
        make_folder(self.path)
        heal = partial(healing.heal, self.path, disk, self.path.parent / "quarantine")
        try:
            was_folding = clear_up(disk)
            with panics_caught():
                await self._make_table(model, disk)
                if in_doubt:
                    await heal()
                try:
                    connection, table = await self._open_table(model, is_copy=is_copy)
                    marks = await _marks(table)
                except (RuntimeError, ValueError, OSError):
                    if is_copy:
                        raise
                    await heal()
                    connection, table = await self._open_table(model, is_copy=is_copy)
                    marks = await _marks(table)
                # Indexes that were being written when power was lost may have holes.
                damaged = (
                    indexes.INDEXED_COLUMNS
                    if was_folding and in_doubt
                    else await indexes.broken(table, disk.table)
                )
                await indexes.rebuild(table, damaged)
        except (RuntimeError, ValueError, OSError, Unreadable) as error:
            raise StartRefused(
                f"The store in {self.path} cannot be read ({category(error)}). Nothing was "
                "changed. Bring a backup back (kmctl backup --list), or move the folder away to "
                "begin with an empty store."
            ) from error
        return Opened(connection, table, await table.schema(), marks, len(damaged))

    async def _make_table(self, model: ModelIdentity, disk: Disk) -> None:
        """If there is none. It has its name once it is whole and on the disk."""
        files.sweep(self.path, _NEW)
        if disk.table.exists():
            return
        with files.unfinished_folder(self.path, _NEW) as unfinished:
            connection = await Folder(unfinished, self.cache_bytes).connect()
            table = await connection.create_empty_table(
                TABLE, "create", schema.table_schema(model), None, None, None
            )
            await ensure_primary_key(table)
            await indexes.ensure_indexes(table)
            table.close()
            connection.close()
            disk.sync()
            (unfinished / TABLE_FOLDER).rename(disk.table)

    async def _open_table(self, model: ModelIdentity, *, is_copy: bool) -> tuple[Any, Any]:
        connection = await self.connect()
        table = await reopen_table(connection)
        version = schema.check_schema(await table.schema(), model)
        if version < schema.SCHEMA_VERSION:
            await upgrade(table, version, model, None if is_copy else self.path)
        await ensure_primary_key(table)
        await indexes.ensure_indexes(table)
        return connection, table


@dataclass(frozen=True, slots=True)
class Opened:
    connection: Any
    table: Any
    schema: Any
    marks: list[Any]
    """Batches of the type and the sealed value of all rows."""
    n_rebuilt: int
    """Indexes that were damaged."""


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"The folder {folder} for the store cannot be made: {error.strerror}. Move away "
            "what is in its place."
        ) from error


async def reopen_table(connection: Any) -> Any:
    """A further handle: it stays at the version that it finds."""
    return await connection.open_table(TABLE, None, None, None, None)


async def ensure_primary_key(table: Any) -> None:
    """Without it LanceDB's upserts duplicate new keys silently (lancedb#2463)."""
    if not (await table.schema()).field("id").metadata:
        await table.set_unenforced_primary_key(["id"])


async def _marks(table: Any) -> list[Any]:
    """In one scan, which shows that the table can be read; of one row all columns are."""
    first = table.query()
    first.select_columns([*schema.ALL_COLUMNS])
    first.limit(1)
    async for _ in await first.execute(None, None):
        pass
    query = table.query()
    query.select_columns(["type", "sealed"])
    return [batch async for batch in await query.execute(None, None)]
