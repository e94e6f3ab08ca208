"""The client of the knowledge daemon: standard library only, copyable on its own.

>>> with KnowledgeClient() as knowledge:
...     knowledge.store("We use LanceDB for vectors", type="decision", project_id="shop")
...     for hit in knowledge.search("which vector database", project_id="shop", limit=5):
...         print(hit.score, hit.text)
"""

from typing import TYPE_CHECKING

from .calls import EntryChanges, EntryFields, Filters
from .client import KnowledgeClient
from .errors import (
    Conflict,
    ConnectionLost,
    DeadlineExceeded,
    EmbeddingFailed,
    InternalError,
    InvalidParams,
    InvalidRequest,
    KnowledgeError,
    MethodNotFound,
    NotFound,
    Overloaded,
    ParseError,
    ProtocolError,
    RateLimited,
    StorageFull,
    StoreFailed,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from .project import project_of
from .results import (
    Batch,
    Cleaned,
    Context,
    Embedded,
    Entry,
    Found,
    Hit,
    Hits,
    Page,
    PostCompaction,
    PreCompaction,
    Redaction,
    SessionStart,
    Similar,
    Stats,
    Status,
    Stored,
    Summary,
    Updated,
)

if TYPE_CHECKING:
    from .aio import AsyncKnowledgeClient

__all__ = [
    "AsyncKnowledgeClient",
    "Batch",
    "Cleaned",
    "Conflict",
    "ConnectionLost",
    "Context",
    "DeadlineExceeded",
    "Embedded",
    "EmbeddingFailed",
    "Entry",
    "EntryChanges",
    "EntryFields",
    "Filters",
    "Found",
    "Hit",
    "Hits",
    "InternalError",
    "InvalidParams",
    "InvalidRequest",
    "KnowledgeClient",
    "KnowledgeError",
    "MethodNotFound",
    "NotFound",
    "Overloaded",
    "Page",
    "ParseError",
    "PostCompaction",
    "PreCompaction",
    "ProtocolError",
    "RateLimited",
    "Redaction",
    "SessionStart",
    "Similar",
    "Stats",
    "Status",
    "StorageFull",
    "StoreFailed",
    "Stored",
    "Summary",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Updated",
    "project_of",
]


def __getattr__(name: str) -> object:
    """`AsyncKnowledgeClient` on first use: asyncio doubles the time to import this package."""
    if name == "AsyncKnowledgeClient":
        from .aio import AsyncKnowledgeClient

        return AsyncKnowledgeClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
