"""What the methods of the daemon itself do: its state, its stop, its jobs."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import orjson

from cco_knowledge.jobs import Advance, Failure, Job, Jobs, Work
from cco_knowledge.parts import Parts
from cco_knowledge.rpc import answers, envelope, params, results
from cco_knowledge.rpc.errors import to_wire

Notify = Callable[[bytes], bool]
"""Sends a notification to who called. False: nobody is there any more."""


class Host(Protocol):
    """The daemon, as its methods see it."""

    @property
    def jobs(self) -> Jobs: ...

    async def status(self) -> results.Status: ...

    async def parts(self) -> Parts:
        """Waits while they are loaded. Raises Unavailable and DeadlineExceeded."""
        ...

    async def reload(self) -> results.Reloaded:
        """Raises Conflict where the configuration is not valid."""
        ...

    def stop(self) -> None: ...


async def ping(host: Host, given: params.NoParams, notify: Notify | None) -> results.Pong:
    return "pong"


async def status(host: Host, given: params.NoParams, notify: Notify | None) -> results.Status:
    return await host.status()


async def discover(host: Host, given: params.NoParams, notify: Notify | None) -> object:
    from cco_knowledge.rpc.discover import encoded_document  # few ever ask

    return orjson.Fragment(await asyncio.to_thread(encoded_document))


async def shutdown(host: Host, given: params.NoParams, notify: Notify | None) -> results.Stopping:
    host.stop()
    return {"stopping": True, "pid": os.getpid()}


async def reload(host: Host, given: params.NoParams, notify: Notify | None) -> results.Reloaded:
    return await host.reload()


async def backup(host: Host, given: params.NoParams, notify: Notify | None) -> results.Job:
    backups = (await host.parts()).backups

    async def work(advance: Advance) -> dict[str, Any]:
        return {**answers.backup_of(await backups.make("manual", advance))}

    return begun(host, "backup", work, notify)


async def job_list(host: Host, given: params.NoParams, notify: Notify | None) -> results.Jobs:
    return {"jobs": [job_of(job) for job in host.jobs.all]}


async def job_get(host: Host, given: params.JobParams, notify: Notify | None) -> results.Job:
    return job_of(host.jobs.get(given.id))


async def job_wait(host: Host, given: params.JobParams, notify: Notify | None) -> results.Job:
    watch(host.jobs, given.id, notify)
    return job_of(await host.jobs.wait(given.id))


async def job_cancel(host: Host, given: params.JobParams, notify: Notify | None) -> results.Job:
    return job_of(await host.jobs.cancel(given.id))


def begun(host: Host, kind: str, work: Work, notify: Notify | None) -> results.Job:
    """A job that has just started; who called hears of its progress."""
    job = host.jobs.start(kind, work)
    watch(host.jobs, job.id, notify)
    return job_of(job)


def watch(jobs: Jobs, job_id: str, notify: Notify | None) -> None:
    if notify is not None:
        jobs.listen(job_id, lambda job: notify(envelope.notification("job.progress", job_of(job))))


def job_of(job: Job) -> results.Job:
    wire: results.Job = msgspec.to_builtins(job)
    return wire


def failure_of(error: Exception) -> Failure:
    """What a job tells of the error that ended it."""
    wire = to_wire(error)
    reference = f" (ref {wire.data['ref']})" if "ref" in wire.data else ""
    return Failure(wire.reason, wire.message + reference, retryable=bool(wire.data["retryable"]))
