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
        by_type=dict(counts["type"].most_common()),
        by_agent=dict(counts["agent"].most_common()),
        by_project=dict(counts["project_id"].most_common()),
        oldest_record=oldest,
        newest_record=newest,
    )
