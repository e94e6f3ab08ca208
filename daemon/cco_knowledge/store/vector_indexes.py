"""The vectors' indexes: none while looking at every vector is quickest, then one for each column.

Each parts the vectors into lists around centres (IVF) and keeps one bit a number of them (RaBitQ).
A search looks through the lists whose centres are nearest, by those bits, and compares the best of
what it found exactly: so scores are exact cosines, and only what the lists or the bits miss is
missed. `probing` keeps that below a fiftieth; docs/measuring.md has the figures. Rows that came
after an index was made are looked at one by one until compaction has put them in.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

HAS_VECTORS = {"vector": None, "passages": "passages IS NOT NULL"}
"""The columns, and which rows have something there."""
FROM_ROWS = 20_000
"""Below, an exact search takes less than 20 ms."""
_EXACT_ROWS = 3000
"""So few rows that pass are compared one by one: 20 µs a row, wherever they lie."""
_LISTS = 48
_LISTS_AT_ROWS = 20_000
_GROWTH = 0.3
_REFINE = 2
_LEAST_COMPARED = 200
_MOST_COUNTS = 256
_MOST_PARTS = 12
"""Each fold adds a part to an index, and every search asks each part."""

_log = logging.getLogger(__name__)


class LargeTable(Exception):
    """Too much to hold in memory, or to compare with for each search."""


@dataclass(frozen=True, slots=True)
class IvfRq:
    """The binding reads the name of the class and these attributes."""

    num_partitions: int
    distance_type: str = "cosine"
    num_bits: int = 1
    max_iterations: int = 20
    sample_rate: int = 64
    target_partition_size: int | None = None


@dataclass(frozen=True, slots=True)
class Probing:
    lists: int

    def refine(self, limit: int) -> int:
        """So many times the rows that are wanted are compared exactly.

        New rows, which the index does not have, have exact distances from the start, and those
        of others look nearer by their bits than they are.
        """
        return max(_REFINE, math.ceil(_LEAST_COMPARED / limit))


@dataclass(frozen=True, slots=True)
class VectorIndexes:
    """Those that are there: the number of their parts, by column."""

    n_parts: dict[str, int] = field(default_factory=dict)
    n_bytes: int = 0
    """Searches are three times as quick where all of it is kept in memory."""

    @classmethod
    async def of(cls, table: Any) -> Self:
        found = [one for one in await table.list_indices() if one.columns[0] in HAS_VECTORS]
        return cls(
            {index.columns[0]: index.num_segments or 1 for index in found},
            sum(index.size_bytes or 0 for index in found),
        )

    def __bool__(self) -> bool:
        return "vector" in self.n_parts

    def due(self, n_rows: Mapping[str, int]) -> dict[str, int]:
        """The columns whose index is to be made, or made anew, of those with so many rows."""
        if n_rows["vector"] < FROM_ROWS:
            return {}
        return {
            column: n
            for column, n in n_rows.items()
            if n and not 0 < self.n_parts.get(column, 0) <= _MOST_PARTS
        }


class Asking:
    """How to ask each column, which depends on how many rows pass."""

    def __init__(self) -> None:
        self.indexes = VectorIndexes()
        self.n_long: int | None = None
        """Rows with further passages, about; None until somebody has counted them."""
        self._counts: dict[str | None, int] = {}

    async def look(self, table: Any) -> None:
        """Which indexes there are; after each change of them."""
        self.indexes = await VectorIndexes.of(table)
        self._counts.clear()

    async def n_rows(self, table: Any) -> dict[str, int]:
        """By column, that have something there."""
        return {"vector": await self._count(table, None), "passages": self.n_long or 0}

    async def probing(self, table: Any, column: str, condition: str | None) -> Probing | None:
        """None: compare all that pass, exactly."""
        if column not in self.indexes.n_parts:
            return None
        n_rows = await self.n_rows(table)
        share = await self._count(table, condition) / max(n_rows["vector"], 1)
        if share * n_rows["vector"] <= _EXACT_ROWS:
            return None
        return probing(n_rows[column], share)

    async def _count(self, table: Any, condition: str | None) -> int:
        """As it was about the time of the last fold: good enough to choose by."""
        known = self._counts.get(condition)
        if known is not None:
            return known
        if len(self._counts) >= _MOST_COUNTS:
            self._counts.clear()
        n_rows = int(await table.count_rows(condition))
        self._counts[condition] = n_rows
        return n_rows


def probing(n_rows: int, share: float) -> Probing:
    """For a share of the rows that an index has, above 0."""
    # The nearest of few that pass lie as far off as many others that do not, and so in more lists.
    wanted = _LISTS * (n_rows / _LISTS_AT_ROWS) ** _GROWTH / math.sqrt(share)
    return Probing(max(1, min(math.ceil(wanted), n_lists(n_rows))))


def n_lists(n_rows: int) -> int:
    """Of a new index. A table that has grown since has fewer; asking for more asks for all."""
    return max(1, round(math.sqrt(n_rows)))


async def build(table: Any, column: str, n_rows: int) -> None:
    """In one commit, which replaces the index that is there. Takes a minute for a million rows."""
    kind = IvfRq(n_lists(n_rows))
    await table.create_index(column, kind, True, None, name=f"{column}_idx", train=True)
    _log.info("the column %s was indexed: %d rows", column, n_rows)


async def drop(table: Any, column: str) -> None:
    """Searches look at every vector from now on, until maintenance has made it anew."""
    await table.drop_index(f"{column}_idx")
