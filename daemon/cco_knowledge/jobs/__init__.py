"""Long work that outlives the connection that asked for it."""

from cco_knowledge.jobs.job import KINDS, Advance, Failure, Job, Work
from cco_knowledge.jobs.jobs import Jobs
from cco_knowledge.jobs.spool import Spool

__all__ = ["KINDS", "Advance", "Failure", "Job", "Jobs", "Spool", "Work"]
