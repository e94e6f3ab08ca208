"""Examples for every method: one story of an example project, told in the order of the table.

It leaves nothing behind, so it can be played on any daemon, and again. A method that is added
needs a part in it; a test plays it. Those of `UNTOLD` have none.
"""

from cco_knowledge.rpc.examples import knowledge, session, system
from cco_knowledge.rpc.examples.example import Example

__all__ = ["EXAMPLES", "UNTOLD", "Example"]

UNTOLD = frozenset(
    {
        "system.authenticate",
        "system.shutdown",
        "system.backup",
        "system.scrub",
        "job.get",
        "job.wait",
        "job.cancel",
    }
)
"""Needs a token; ends the story; leaves a backup; changes what is stored; the others need an id of
a job."""

EXAMPLES: dict[str, tuple[Example, ...]] = {
    **knowledge.EXAMPLES,
    **session.EXAMPLES,
    **system.EXAMPLES,
}
