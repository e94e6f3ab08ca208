"""A job of the daemon, from its begin to its end, as a command shows it."""

from collections.abc import Callable, Mapping
from typing import Any

from cco_knowledge_client import KnowledgeClient, KnowledgeError
from cco_knowledge_client.errors import CODES, error_from
from kmctl.options import Invocation
from kmctl.output import progress, warn
from kmctl.reach import connect

_LONGEST_S = 7 * 86_400.0
"""A job takes what it takes; --timeout bounds the wait, not the job."""


class NotDone(KnowledgeError):
    """A job that was cancelled or interrupted."""

    reason = "unavailable"
    retryable = True


def run(
    invocation: Invocation,
    method: str,
    params: Mapping[str, Any],
    what: str,
    *,
    in_bytes: bool = False,
) -> Any:
    """Start a job with this call, and give its result.

    Raises:
        KnowledgeError: the job's own, or NotDone.
    """
    with connect(invocation) as knowledge:
        job = knowledge.call(method, params)
        return follow(invocation, knowledge, job, what, in_bytes=in_bytes)


def follow(
    invocation: Invocation,
    knowledge: KnowledgeClient,
    job: Mapping[str, Any],
    what: str,
    *,
    in_bytes: bool = False,
) -> Any:
    """The result of the job, once it has ended. Who interrupts it is told that the job goes on."""
    with progress(what, in_bytes=in_bytes) as draw:
        return result_of(wait(knowledge, job, draw, invocation.timeout_s))


def wait(
    knowledge: KnowledgeClient,
    job: Mapping[str, Any],
    draw: Callable[[int, int | None], None],
    timeout_s: float | None = None,
) -> dict[str, Any]:
    def hear(_method: str, params: Any) -> None:
        if params["id"] == job["id"]:
            draw(params["done"], params["total"])

    try:
        ended: dict[str, Any] = knowledge.call(
            "job.wait",
            {"id": job["id"]},
            timeout_s=timeout_s or _LONGEST_S,
            on_notification=hear,
        )
    except KeyboardInterrupt:
        warn(f"The job goes on. To end it: kmctl jobs cancel {job['id']}")
        raise
    return ended


def result_of(job: Mapping[str, Any]) -> Any:
    if job["state"] == "done":
        return job["result"]
    error = job["error"]
    if job["state"] == "failed":
        code = CODES.get(error["reason"], CODES["internal"])
        raise error_from({"code": code, "message": error["message"], "data": error})
    raise NotDone(error["message"] if error else f"The job {job['id']} was {job['state']}.")
