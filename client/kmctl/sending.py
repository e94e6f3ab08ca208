"""Items on their way into a job of the daemon, part by part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cco_knowledge_client import KnowledgeClient, KnowledgeError

_WHOLE_CALL_REFUSED = frozenset({"parse_error", "invalid_request", "invalid_params", "too_large"})

T = TypeVar("T")


@dataclass(slots=True)
class Sending(Generic[T]):
    """`knowledge.import`: one job, which begins when all parts are with the daemon."""

    knowledge: KnowledgeClient
    kind: str
    item_of: Callable[[T], Mapping[str, Any]]
    taken: Callable[[Sequence[T]], None]
    """Hears what the daemon has taken: the job's items are numbered in this order."""
    refused: Callable[[T, KnowledgeError], None]
    """Hears what cannot be part of any call."""
    job_id: str | None = None
    """None while nothing was taken."""

    def send(self, part: Sequence[T]) -> None:
        try:
            self._send_whole(part)
        except KnowledgeError as error:
            if error.reason not in _WHOLE_CALL_REFUSED:
                raise
            if len(part) == 1:
                self.refused(part[0], error)
                return
            # One item spoils the whole call: halve until it is alone.
            middle = len(part) // 2
            self.send(part[:middle])
            self.send(part[middle:])

    def begin(self) -> Any:
        """The job, which has just begun, or None where there is nothing to do."""
        if self.job_id is None:
            return None
        return self.knowledge.call("knowledge.import", {"job": self.job_id})

    def _send_whole(self, part: Sequence[T]) -> None:
        items = [self.item_of(one) for one in part]
        target = {"job": self.job_id} if self.job_id else {"kind": self.kind}
        params = {"items": items, "more": True, **target}
        self.job_id = self.knowledge.call("knowledge.import", params)["id"]
        self.taken(part)
