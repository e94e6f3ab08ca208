"""The table's upkeep on request, and how it goes by itself."""

from typing import Any

import msgspec

from cco_knowledge.jobs import Advance
from cco_knowledge.metrics import StoreWork
from cco_knowledge.rpc import params, results
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.system import Host, begun


async def optimize(host: Host, given: params.NoParams, caller: Caller) -> results.Job:
    store = (await host.parts()).store

    async def work(advance: Advance) -> dict[str, Any]:
        done: dict[str, Any] = msgspec.to_builtins(await store.optimize(advance))
        return done

    return begun(host, "optimize", work, caller)


async def verify(host: Host, given: params.NoParams, caller: Caller) -> results.Job:
    store = (await host.parts()).store

    async def work(advance: Advance) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(await store.verify(advance))
        return found

    return begun(host, "verify", work, caller)


async def scrub(host: Host, given: params.ScrubParams, caller: Caller) -> results.Job:
    from cco_knowledge.scrubbing.scrub import Scrub  # few ever scrub
    from cco_knowledge.scrubbing.table import Cleaner

    parts = await host.parts()
    cleaner = Cleaner(parts.engine, parts.vault, parts.service.drafting.redactor.policy)
    run = Scrub(parts.home, parts.store, parts.backups, cleaner)

    async def work(advance: Advance) -> dict[str, Any]:
        done: dict[str, Any] = msgspec.to_builtins(await run.run(advance, dry_run=given.dry_run))
        return done

    return begun(host, "scrub", work, caller)


def maintenance_of(work: StoreWork) -> results.Maintenance:
    return {
        "compactions": work.compactions,
        "failures": work.compaction_failures,
        "failures_in_a_row": work.compaction_failures_in_a_row,
        "last_failure": work.last_compaction_failure,
    }
