"""What a daemon has done since its start, and what it stores, in a few lines."""

from cco_knowledge_client import KnowledgeError
from kmctl.options import Invocation
from kmctl.reach import CALL_LIMIT_S, socket_path
from kmctl.scrape import samples_of, scrape
from kmctl.top.layout import size, whole
from kmctl.top.reading import Reading, Scraped, reading_of


def facts_since_start(invocation: Invocation) -> dict[str, str]:
    """For people. Of a daemon that shows no metrics, why not."""
    try:
        text = scrape(socket_path(invocation), invocation.timeout_s or CALL_LIMIT_S)
    except KnowledgeError as error:
        return {"metrics": error.message}
    scraped = Scraped(samples_of(text))
    return {"calls": _outcomes(scraped), **_storage(reading_of(scraped, None))}


def _outcomes(scraped: Scraped) -> str:
    counts = {"ok": 0.0, **scraped.by("calls_total", "outcome")}
    return ", ".join(f"{whole(int(count))} {outcome}" for outcome, count in counts.items())


def _storage(reading: Reading) -> dict[str, str]:
    store, table = reading.store, reading.table
    if store is None:
        return {}
    facts = (
        f"{size(table.bytes)}, fragments {whole(table.fragments)}, "
        f"versions {whole(table.versions)}, unindexed rows {whole(table.unindexed_rows)}"
        if table
        else "does not answer"
    )
    return {
        "table": facts,
        "compactions": f"{whole(store.compactions)}, {whole(store.compaction_failures)} failed",
        "disk_free": size(reading.process.disk_free_bytes),
    }
