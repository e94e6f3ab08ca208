"""The registry of jobs: starting, watching, cancelling. Lives on the event loop."""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from cco_knowledge.errors import Conflict, NotFound, Overloaded, Unavailable
from cco_knowledge.jobs.job import Advance, Failure, Job, State, Work
from cco_knowledge.jobs.records import Records
from cco_knowledge.jobs.spool import Spool
from cco_knowledge.timestamps import format_timestamp, utc_now

_MAX_UNFINISHED = 16
_RETRY_AFTER_MS = 5000
_TOLD_EVERY_S = 0.2
_RECEIVED_WITHIN_S = 60.0
"""So long after a part the next one of a job has to come."""

Listener = Callable[[Job], bool]
"""Hears of progress and of the end; False: it wants no more."""

_log = logging.getLogger(__name__)


class Jobs:
    def __init__(self, folder: Path, failure_of: Callable[[Exception], Failure]) -> None:
        """Jobs that a former process did not finish are listed as interrupted.

        `failure_of` says what the world is told of an error.
        """
        self._failure_of = failure_of
        self._records = Records(folder)
        self._jobs = {job.id: job for job in self._records.load()}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._spools: dict[str, Spool] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._told_at_s: dict[str, float] = {}
        self._is_closed = False
        self.ended: Counter[tuple[str, str]] = Counter()
        """By kind and state, since the start of this process."""
        for job in list(self._jobs.values()):
            if not job.is_finished:
                self._record(_interrupted(job))

    @property
    def all(self) -> list[Job]:
        """The newest first."""
        return sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)

    @property
    def n_unfinished(self) -> int:
        return len(self._ends)

    def get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("No job has this id.", id=job_id)
        return job

    def start(self, kind: str, work: Work, token: str | None = None) -> Job:
        """One of a kind at a time.

        Raises:
            Conflict: with the `id` of the one that is not finished.
            Unavailable: the daemon is stopping.
        """
        for job in self._jobs.values():
            if job.kind == kind and not job.is_finished:
                raise Conflict(f"The job {job.id} is doing this already.", id=job.id)
        job = self._open(kind, "running", token)
        self._begin(job.id, work)
        return job

    def receive(self, kind: str, token: str | None = None) -> Job:
        """A job whose work comes in parts. It is cancelled where the next part does not come.

        Raises:
            Overloaded: too many are not finished.
            Unavailable: the daemon is stopping.
        """
        if self.n_unfinished >= _MAX_UNFINISHED:
            raise Overloaded(
                "Too many jobs are not finished yet. Wait for one, or cancel it.",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        job = self._open(kind, "receiving", token)
        self._spools[job.id] = self._records.spool(job.id)
        self._expect_more(job.id)
        return job

    @contextlib.contextmanager
    def receiving(self, job_id: str) -> Iterator[Spool]:
        """Around the reception of a part, which goes into the spool.

        Raises:
            NotFound: there is no such job.
            Conflict: it expects no part.
        """
        if self.get(job_id).state != "receiving":
            raise Conflict("This job receives nothing any more.", id=job_id)
        self._expire_no_more(job_id)
        try:
            yield self._spools[job_id]
        finally:  # a part that was refused may come again
            if self.get(job_id).state == "receiving":
                self._expect_more(job_id)

    def run_received(self, job_id: str, work: Callable[[Spool], Work]) -> Job:
        """All parts have come. Raises Conflict where the job was ended meanwhile."""
        if self.get(job_id).state != "receiving":
            raise Conflict("This job has ended.", id=job_id)
        self._expire_no_more(job_id)
        job = self._changed(job_id, state="running")
        self._begin(job_id, work(self._spools[job_id]))
        return job

    def listen(self, job_id: str, listener: Listener) -> None:
        if not self.get(job_id).is_finished:
            self._listeners.setdefault(job_id, []).append(listener)

    async def wait(self, job_id: str) -> Job:
        """Until it has ended, however."""
        if not self.get(job_id).is_finished:
            await self._ends[job_id].wait()
        return self.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """What it did until then stays. One that has ended stays what it is."""
        if not self.get(job_id).is_finished:
            await self._end_early(job_id, "cancelled", None)
        return self.get(job_id)

    async def close(self) -> None:
        """Take no more work, and interrupt what is under way."""
        self._is_closed = True
        unfinished = [job for job in self._jobs.values() if not job.is_finished]
        await asyncio.gather(
            *(self._end_early(job.id, "interrupted", INTERRUPTION) for job in unfinished)
        )

    def _open(self, kind: str, state: State, token: str | None) -> Job:
        if self._is_closed:
            raise Unavailable("The daemon is stopping. Try again in a moment.")
        job = Job(_new_id(kind), kind, state, format_timestamp(utc_now()), token=token)
        self._ends[job.id] = asyncio.Event()
        self._record(job)
        _log.info("job", extra={"job": job.id, "state": state, "reason": None})
        return job

    def _begin(self, job_id: str, work: Work) -> None:
        task = asyncio.create_task(self._run(job_id, work), name=job_id)
        self._tasks[job_id] = task

    async def _run(self, job_id: str, work: Work) -> None:
        try:
            result = await work(self._advance_of(job_id))
        except asyncio.CancelledError:
            raise  # who cancelled it says what it became
        except Exception as error:  # noqa: BLE001  # every job ends as something
            self._finish(job_id, "failed", error=self._failure_of(error))
        else:
            self._finish(job_id, "done", result=result)

    async def _end_early(self, job_id: str, state: State, error: Failure | None) -> None:
        self._expire_no_more(job_id)
        task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if not self.get(job_id).is_finished:  # it may have come to its end just before
            self._finish(job_id, state, error=error)

    def _advance_of(self, job_id: str) -> Advance:
        loop = asyncio.get_running_loop()

        def advance(done: int, total: int | None) -> None:
            self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], done=done, total=total)
            if loop.time() - self._told_at_s.get(job_id, 0.0) >= _TOLD_EVERY_S:
                self._told_at_s[job_id] = loop.time()
                self._tell(job_id)

        return advance

    def _finish(
        self,
        job_id: str,
        state: State,
        *,
        result: dict[str, Any] | None = None,
        error: Failure | None = None,
    ) -> None:
        job = self._changed(
            job_id, state=state, finished_at=format_timestamp(utc_now()), result=result, error=error
        )
        self.ended[job.kind, state] += 1
        self._tell(job_id)
        self._tasks.pop(job_id, None)
        self._listeners.pop(job_id, None)
        self._told_at_s.pop(job_id, None)
        if spool := self._spools.pop(job_id, None):
            spool.discard()
        self._ends.pop(job_id).set()
        self._records.prune(self._jobs)
        reason = error.reason if error else None
        _log.info("job", extra={"job": job_id, "state": state, "reason": reason})

    def _tell(self, job_id: str) -> None:
        job = self._jobs[job_id]
        listeners = self._listeners.get(job_id, [])
        listeners[:] = [listener for listener in listeners if listener(job)]

    def _expect_more(self, job_id: str) -> None:
        def expire() -> None:
            message = "Its sender went away before all of it had come. Nothing of it was done."
            self._finish(job_id, "cancelled", error=Failure("deadline_exceeded", message, True))

        loop = asyncio.get_running_loop()
        self._expiries[job_id] = loop.call_later(_RECEIVED_WITHIN_S, expire)

    def _expire_no_more(self, job_id: str) -> None:
        if expiry := self._expiries.pop(job_id, None):
            expiry.cancel()

    def _changed(self, job_id: str, **fields: Any) -> Job:
        job = msgspec.structs.replace(self._jobs[job_id], **fields)
        self._record(job)
        return job

    def _record(self, job: Job) -> None:
        """On the loop: a file of a few hundred bytes, when a job begins and when it ends."""
        self._jobs[job.id] = job
        try:
            self._records.save(job)
        except OSError as error:
            # The work itself matters more than the list of it.
            _log.warning("the record of job %s was not written: %s", job.id, error.strerror)


INTERRUPTION = Failure(
    "unavailable",
    "The daemon stopped before this was done. What it did until then is kept: start it again.",
    retryable=True,
)


def _new_id(kind: str) -> str:
    return f"{kind}-{int(utc_now().timestamp() * 1000)}-{secrets.token_hex(3)}"


def _interrupted(job: Job) -> Job:
    return msgspec.structs.replace(
        job, state="interrupted", finished_at=format_timestamp(utc_now()), error=INTERRUPTION
    )
