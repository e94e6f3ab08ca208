"""What is known of jobs, one file each, so that a restart forgets none."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cco_knowledge.errors import StartRefused
from cco_knowledge.jobs.job import Job
from cco_knowledge.jobs.spool import Spool

_KEPT = 100
"""Of those that have ended."""
_SUFFIX = ".json"
_SPOOL_SUFFIX = ".items"
_DAMAGED_SUFFIX = ".damaged"

_log = logging.getLogger(__name__)


class Records:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Iterator[Job]:
        """All that can be read; what cannot is put aside, for it is not needed to serve.

        Raises:
            StartRefused: there can be no such folder.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartRefused(
                f"The folder {self._folder} for jobs cannot be made: {error.strerror}. Move away "
                "what is in its place."
            ) from error
        for leftover in (*self._folder.glob("*.tmp"), *self._folder.glob("*" + _SPOOL_SUFFIX)):
            with contextlib.suppress(OSError):
                leftover.unlink()
        for path in sorted(self._folder.glob("*" + _SUFFIX)):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Job)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                with contextlib.suppress(OSError):
                    path.rename(path.with_name(path.name + _DAMAGED_SUFFIX))
                _log.warning("the record %s of a job cannot be read and is put aside", path.name)

    def save(self, job: Job) -> None:
        """Whole or not at all. A crash of the machine may lose it: it tells of work, it is none."""
        path = self._path(job.id)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(msgspec.json.encode(job))
        unfinished.replace(path)

    def spool(self, job_id: str) -> Spool:
        return Spool(self._folder / (job_id + _SPOOL_SUFFIX))

    def prune(self, jobs: dict[str, Job]) -> None:
        """Forget the oldest of those that have ended, where they are too many."""
        ended = sorted((job for job in jobs.values() if job.is_finished), key=_age)
        for job in ended[:-_KEPT]:
            del jobs[job.id]
            self._path(job.id).unlink(missing_ok=True)

    def _path(self, job_id: str) -> Path:
        return self._folder / (job_id + _SUFFIX)


def _age(job: Job) -> str:
    return job.created_at
