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


def maintenance_of(work: StoreWork) -> results.Maintenance:
    return {
        "compactions": work.compactions,
        "failures": work.compaction_failures,
        "failures_in_a_row": work.compaction_failures_in_a_row,
        "last_failure": work.last_compaction_failure,
    }
