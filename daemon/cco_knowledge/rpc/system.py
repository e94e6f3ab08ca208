"""What the methods of the daemon itself do: its state, its stop, its jobs."""

import asyncio
import os
from typing import Any, Protocol

import msgspec
import orjson

from cco_knowledge.errors import NotFound
from cco_knowledge.jobs import Advance, Failure, Job, Jobs, Work
from cco_knowledge.parts import Parts
from cco_knowledge.rpc import answers, envelope, params, results
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.errors import to_wire


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


async def authenticate(
    host: Host, given: params.AuthenticateParams, caller: Caller
) -> results.Authenticated:
    # NOTE: without an await before it, so that what came behind it is called with its rights.
    token = caller.authenticate(given.token)
    return {
        "name": token.name,
        "role": token.role,
        "projects": None if token.projects is None else list(token.projects),
    }


async def ping(host: Host, given: params.NoParams, caller: Caller) -> results.Pong:
    return "pong"


async def status(host: Host, given: params.NoParams, caller: Caller) -> results.Status:
    status = await host.status()
    return status if caller.projects is None else answers.status_without_others(status)


async def discover(host: Host, given: params.NoParams, caller: Caller) -> object:
    from cco_knowledge.rpc.discover import encoded_document  # few ever ask

    return orjson.Fragment(await asyncio.to_thread(encoded_document))


async def shutdown(host: Host, given: params.NoParams, caller: Caller) -> results.Stopping:
    host.stop()
    return {"stopping": True, "pid": os.getpid()}


async def reload(host: Host, given: params.NoParams, caller: Caller) -> results.Reloaded:
    return await host.reload()


async def backup(host: Host, given: params.NoParams, caller: Caller) -> results.Job:
    backups = (await host.parts()).backups

    async def work(advance: Advance) -> dict[str, Any]:
        return {**answers.backup_of(await backups.make("manual", advance))}

    return begun(host, "backup", work, caller)


async def job_list(host: Host, given: params.NoParams, caller: Caller) -> results.Jobs:
    return {"jobs": [job_of(job) for job in host.jobs.all if _is_shown(job, caller)]}


async def job_get(host: Host, given: params.JobParams, caller: Caller) -> results.Job:
    return job_of(shown_job(host, given.id, caller))


async def job_wait(host: Host, given: params.JobParams, caller: Caller) -> results.Job:
    watch(host.jobs, shown_job(host, given.id, caller).id, caller)
    return job_of(await host.jobs.wait(given.id))


async def job_cancel(host: Host, given: params.JobParams, caller: Caller) -> results.Job:
    return job_of(await host.jobs.cancel(shown_job(host, given.id, caller).id))


def begun(host: Host, kind: str, work: Work, caller: Caller) -> results.Job:
    """A job that has just started; who called hears of its progress."""
    job = host.jobs.start(kind, work, caller.token_id)
    watch(host.jobs, job.id, caller)
    return job_of(job)


def shown_job(host: Host, job_id: str, caller: Caller) -> Job:
    """Raises NotFound also for the job of somebody else, if the caller is no admin."""
    job = host.jobs.get(job_id)
    if not _is_shown(job, caller):
        raise NotFound("No job has this id.", id=job_id)
    return job


def _is_shown(job: Job, caller: Caller) -> bool:
    return caller.role == "admin" or job.token == caller.token_id


def watch(jobs: Jobs, job_id: str, caller: Caller) -> None:
    notify = caller.notify
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
