"""Counting all rows by what they are of, a batch at a time."""

from collections import Counter
from typing import Any

from cco_knowledge.types import Totals

_BATCH_ROWS = 8192


async def totals_of(query: Any) -> Totals:
    """Of a query for these columns and the timestamp."""
    counts: dict[str, Counter[str]] = {
        "type": Counter(),
        "agent": Counter(),
        "project_id": Counter(),
    }
    total, oldest, newest = 0, None, None
    async for batch in await query.execute(_BATCH_ROWS, None):
        total += batch.num_rows
        for column, counter in counts.items():
            counter.update(batch.column(column).to_pylist())
        times = batch.column("timestamp").to_pylist()
        oldest = min([*times, oldest] if oldest else times)
        newest = max([*times, newest] if newest else times)
    return Totals(
        total_records=total,
        by_type=_most_first(counts["type"]),
        by_agent=_most_first(counts["agent"]),
        by_project=_most_first(counts["project_id"]),
        oldest_record=oldest,
        newest_record=newest,
    )


def _most_first(counter: Counter[str]) -> dict[str, int]:
    """Equal ones by name: rows come in an order that changes when files are gathered."""
    return dict(sorted(counter.items(), key=lambda counted: (-counted[1], counted[0])))
