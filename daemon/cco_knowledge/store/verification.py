"""A look at every row, index and file of one version of the table, while others write."""

import asyncio
import re
import time
import uuid
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cco_knowledge.jobs import Advance
from cco_knowledge.store.filters import equals, one_of
from cco_knowledge.store.indexes import INDEXED_COLUMNS, finds_vector
from cco_knowledge.store.interface import Problem, Verified
from cco_knowledge.store.manifest_files import LAST_VERSION
from cco_knowledge.store.native import panics_caught
from cco_knowledge.store.row_checks import RowProblem, row_problems
from cco_knowledge.store.vector_indexes import HAS_VECTORS

_SLICE_ROWS = 64
"""Checking one takes 0.3 ms. After each slice it pauses for as long as it took: searches have the
interpreter at least half of the time."""
_SHOWN_IDS = 10
_VALUES = 200
"""Of each column, whose rows are counted through its index as well."""
_TEXTS = 100
_TERMS = 8
"""Entries that are searched by their own words, and by how many."""
_VALUE_COLUMNS = ("project_id", "type", "agent", "session_id", "timestamp", "superseded_at")
_DATA_FILE = re.compile(rb"[01]{24}[0-9a-f]{26}\.lance")
"""As LanceDB names them, in a manifest. Nothing there parts a name from what stands before it."""
_FOOTER_BYTES = 16
_ANEW = "`kmctl get ID` shows it; delete it and store its text again."
_RESTORE = "`kmctl restore` a backup, or `kmctl export` what can still be read."
_REBUILT = "Their index was rebuilt just now. `kmctl verify` again proves it."


class _Kind(NamedTuple):
    what: str
    mend: str


_KINDS = {
    "unreadable": _Kind("rows that cannot be read: a file of the table is damaged", _RESTORE),
    "malformed": _Kind("entries with a field that is missing or not well-formed", _ANEW),
    "vector": _Kind("entries with a vector that is not of length 1: searches misjudge them", _ANEW),
    "passages": _Kind("entries whose passages do not cover their text", _ANEW),
    "derived": _Kind(
        "entries whose digests or search terms are not those of their fields",
        "`kmctl update ID --session NAME`, or any other field, writes them anew.",
    ),
    "duplicate_id": _Kind(
        "ids that more than one row has",
        "`kmctl get ID` shows one of them; `kmctl delete ID` removes all.",
    ),
    "dangling": _Kind(
        "entries that are hidden because another one, which is not there, superseded them", _ANEW
    ),
    "row_count": _Kind("rows that a scan and a count differ by", _RESTORE),
    "no_index": _Kind("columns without an index: searches are slow", "`kmctl restart` makes it."),
    "index_rows": _Kind("rows that an index counts wrongly", _REBUILT),
    "index_entries": _Kind("values or entries that are not found through their index", _REBUILT),
    "missing_file": _Kind("files that the table needs and that are not there", _RESTORE),
}


class Verification:
    """Holds 8 bytes a row, and a slice of the rows at a time."""

    def __init__(self, table: Any, columns: Sequence[str], folder: Path, advance: Advance) -> None:
        self._table = table
        self._columns = columns
        self._folder = folder
        self._advance = advance
        self._counts: Counter[str] = Counter()
        self._ids: dict[str, list[str]] = {}
        self._hashes = array("q")
        self._successors: list[tuple[str, str]] = []
        self._values: dict[str, Counter[Any]] = {
            column: Counter() for column in (*_VALUE_COLUMNS, "metadata_digests")
        }
        self._texts: list[tuple[str, str]] = []
        self._vectors: list[tuple[str, Sequence[float]]] = []
        self.damaged_indexes: set[str] = set()
        """Their columns."""
        self._look_ups = 0
        self._files = 0
        self._left_over = 0

    async def run(self) -> Verified:
        n_rows = int(await self._table.count_rows(None))
        await self._read(n_rows)
        self._add("row_count", n=abs(n_rows - len(self._hashes) - self._counts["unreadable"]))
        await self._find_duplicates(n_rows)
        self._find_dangling()
        await self._compare_indexes(n_rows)
        version = int(await self._table.version())
        await asyncio.to_thread(self._look_at_files, version)
        self._advance(n_rows, n_rows)
        return Verified(
            rows=len(self._hashes),
            indexes=len(INDEXED_COLUMNS),
            look_ups=self._look_ups,
            files=self._files,
            left_over_files=self._left_over,
            problems=[
                Problem(kind, text.what, self._counts[kind], self._ids.get(kind, []), text.mend)
                for kind, text in _KINDS.items()
                if self._counts[kind]
            ],
        )

    async def _read(self, n_rows: int) -> None:
        every = max(1, n_rows // _TEXTS)
        for begin in range(0, n_rows, _SLICE_ROWS):
            self._advance(begin, n_rows)
            for batch in await self._slice(range(begin, min(begin + _SLICE_ROWS, n_rows))):
                for kind, entry_id in await _unhurried(batch):
                    self._add(kind, [entry_id])
                self._remember(batch, every)
                await self._look_up(batch.column("id").to_pylist())

    async def _slice(self, places: range) -> list[Any]:
        """All columns of the rows in these places; of a damaged part what is left of it."""
        try:
            return await self._take(places, self._columns)
        except (RuntimeError, ValueError, OSError):
            if len(places) == 1 or await self._is_lost(places):
                self._add("unreadable", n=len(places))
                return []
        middle = len(places) // 2
        return [*await self._slice(places[:middle]), *await self._slice(places[middle:])]

    async def _is_lost(self, places: range) -> bool:
        """Most files hold many rows: none of these can be read where neither end can."""
        for end in (places[0], places[-1]):
            try:
                await self._take(range(end, end + 1), self._columns)
            except (RuntimeError, ValueError, OSError):
                continue
            return False
        return True

    async def _take(self, places: range, columns: Sequence[str]) -> list[Any]:
        query = self._table.take_offsets(list(places))
        query.select([(column, column) for column in columns])
        with panics_caught():
            return [batch async for batch in await query.execute() if batch.num_rows]

    def _remember(self, batch: Any, every: int) -> None:
        """What the whole table is held to later."""
        ids = batch.column("id").to_pylist()
        terms, successors = batch.column("terms"), batch.column("superseded_by").to_pylist()
        for at, entry_id in enumerate(ids):
            if len(self._hashes) % every == 0 and terms[at].as_py():
                self._texts.append((entry_id, " ".join(terms[at].as_py().split(" ")[:_TERMS])))
                self._vectors.append((entry_id, batch.column("vector")[at].as_py()))
            self._hashes.append(hash(entry_id))
            if successors[at] is not None:
                self._successors.append((entry_id, successors[at]))
        for column, counter in self._values.items():
            for value in _values(batch.column(column)):
                if value in counter or len(counter) < _VALUES:
                    counter[value] += 1

    async def _look_up(self, ids: Sequence[str]) -> None:
        """Each row through the index of ids."""
        query = self._table.query()
        query.where(one_of("id", ids))
        query.select_columns(["id"])
        found = {row for batch in await self._rows(query) for row in batch.column("id").to_pylist()}
        self._look_ups += len(ids)
        if missing := sorted(set(ids) - found):
            self._add_of_index("index_entries", "id", missing)

    async def _rows(self, query: Any) -> list[Any]:
        try:
            with panics_caught():
                return [batch async for batch in await query.execute(None, None)]
        except (RuntimeError, ValueError, OSError):
            return []

    async def _find_duplicates(self, n_rows: int) -> None:
        self._hashes = array("q", sorted(self._hashes))
        twice = {one for one, other in pairwise(self._hashes) if one == other}
        if not twice:
            return
        ids: Counter[str] = Counter()
        for begin in range(0, n_rows, _SLICE_ROWS):
            for batch in await self._slice_of_ids(range(begin, min(begin + _SLICE_ROWS, n_rows))):
                ids.update(x for x in batch.column("id").to_pylist() if hash(x) in twice)
        self._add("duplicate_id", [entry_id for entry_id, count in ids.items() if count > 1])

    async def _slice_of_ids(self, places: range) -> list[Any]:
        try:
            return await self._take(places, ["id"])
        except (RuntimeError, ValueError, OSError):  # counted already
            return []

    def _find_dangling(self) -> None:
        self._add(
            "dangling",
            [entry_id for entry_id, successor in self._successors if not self._is_there(successor)],
        )

    def _is_there(self, entry_id: str) -> bool:
        place = bisect_left(self._hashes, hash(entry_id))
        return place < len(self._hashes) and self._hashes[place] == hash(entry_id)

    async def _compare_indexes(self, n_rows: int) -> None:
        indexes = {index.columns[0]: index for index in await self._table.list_indices()}
        for column in INDEXED_COLUMNS:
            if column not in indexes:
                self._add("no_index", n=1)
        for column in {*INDEXED_COLUMNS, *HAS_VECTORS} & set(indexes):
            known = (indexes[column].num_indexed_rows, indexes[column].num_unindexed_rows)
            if differs := abs(n_rows - sum(number or 0 for number in known)):
                self._add_of_index("index_rows", column, n=differs)
        if self._counts["unreadable"]:
            # That one cannot be read may be due to the rows, and those cannot be indexed anew.
            self._counts["index_entries"] = 0
            self.damaged_indexes.clear()
            return
        for column, counter in self._values.items():
            for value, count in counter.items():
                await self._compare_count(column, value, count)
        for entry_id, words in self._texts:
            await self._search(entry_id, words)
        for entry_id, vector in self._vectors if "vector" in indexes else ():
            await self._search_near(entry_id, vector)

    async def _compare_count(self, column: str, value: str | int, count: int) -> None:
        self._look_ups += 1
        try:
            with panics_caught():
                found = int(await self._table.count_rows(equals(column, value)))
        except (RuntimeError, ValueError, OSError):
            found = -1
        if found != count:
            self._add_of_index("index_entries", column, n=1)

    async def _search(self, entry_id: str, words: str) -> None:
        query = self._table.query().nearest_to_text({"query": words, "columns": ["terms"]})
        query.where(one_of("id", [entry_id]))
        query.select_columns(["id", "_score"])
        query.limit(1)
        self._look_ups += 1
        if not any(batch.num_rows for batch in await self._rows(query)):
            self._add_of_index("index_entries", "terms", [entry_id])

    async def _search_near(self, entry_id: str, vector: Sequence[float]) -> None:
        self._look_ups += 1
        try:
            with panics_caught():
                is_found = await finds_vector(self._table, "vector", vector)
        except (RuntimeError, ValueError, OSError):
            is_found = False
        if not is_found:
            self._add_of_index("index_entries", "vector", [entry_id])

    def _look_at_files(self, version: int) -> None:
        data = {file.name for file in (self._folder / "data").glob("*.lance")}
        indexes = [folder.name for folder in (self._folder / "_indices").glob("*")]
        manifests = {file.name: file.read_bytes() for file in _manifests(self._folder)}
        needed = {name.decode() for name in _DATA_FILE.findall(_fragments(version, manifests))}
        self._files = len(needed)
        self._add("missing_file", n=len(needed - data))
        named = b"\n".join(manifests.values())
        self._left_over = sum(name.encode() not in named for name in data) + sum(
            uuid.UUID(name).bytes not in named for name in indexes
        )

    def _add_of_index(self, kind: str, column: str, ids: Sequence[str] = (), n: int = 0) -> None:
        self.damaged_indexes.add(column)
        self._add(kind, ids, n)

    def _add(self, kind: str, ids: Sequence[str] = (), n: int = 0) -> None:
        self._counts[kind] += len(ids) + n
        shown = self._ids.setdefault(kind, [])
        shown.extend(ids[: _SHOWN_IDS - len(shown)])


async def _unhurried(batch: Any) -> list[tuple[RowProblem, str]]:
    begun_s = time.perf_counter()
    found = await asyncio.to_thread(row_problems, batch)
    await asyncio.sleep(time.perf_counter() - begun_s)
    return found


def _values(column: Any) -> Iterator[Any]:
    for value in column.to_pylist():
        yield from value if isinstance(value, list) else [value] if value is not None else []


def _manifests(folder: Path) -> list[Path]:
    return list((folder / "_versions").glob("*.manifest"))


def _fragments(version: int, manifests: dict[str, bytes]) -> bytes:
    """The part of its manifest that has the files; another one tells what the commit replaced."""
    names = (f"{LAST_VERSION - version:020}.manifest", f"{version}.manifest")
    manifest = next((manifests[name] for name in names if name in manifests), b"")
    begin = int.from_bytes(manifest[-_FOOTER_BYTES:][:8], "little")
    length = int.from_bytes(manifest[begin : begin + 4], "little")
    return manifest[begin + 4 : begin + 4 + length]
