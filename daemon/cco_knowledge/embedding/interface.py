"""What the rest of the daemon knows of embedding."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from cco_knowledge.types import ModelIdentity, Passage, Vector


class Priority(IntEnum):
    """Who goes first when texts wait; within one priority callers take turns."""

    QUERY = 0
    STORE = 1
    BULK = 2


class Embedder(Protocol):
    identity: ModelIdentity

    async def embed_document(self, text: str, priority: Priority) -> Sequence[Passage]:
        """The passages of a text, in order: one where it fits the model's window.

        Cancelling drops what has not begun; a text that a core is working on is finished, and
        its vector thrown away.

        Raises:
            Overloaded: the queue is full.
            EmbeddingFailed
        """
        ...

    async def embed(self, text: str, *, as_query: bool) -> Vector:
        """One vector; of a text longer than the window, the mean direction of its passages."""
        ...

    def count_tokens(self, text: str) -> int:
        """By the model's own tokenizer, without the special ones around a text."""
        ...
