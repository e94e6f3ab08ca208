"""What can go wrong, named after what the caller can do about it.

KnowledgeError
├── InvalidInput        mend the input (`field` names it)
├── TooLarge            send less
├── NotFound            nothing has that id
├── Conflict            the stored state says otherwise
├── Unavailable         try again later
├── Overloaded          try again after `retry_after_ms`
├── RateLimited         the same, for one peer or token
├── DeadlineExceeded    try again, or ask for less
├── EmbeddingFailed     the model gave no vector for this text
├── StoreFailed         the database refused
├── StorageFull         make room, then try again
├── Unauthorized        another user or token is needed
├── TokensUnusable      mend the file of tokens; only `kmctl` meets it
├── BackupUnusable      take another backup; only `kmctl` meets it
└── StartRefused        the daemon cannot start like this; the message says what to do

Adapters raise these, with `from` the library's own error; `rpc.errors` turns them into JSON-RPC
errors and `__main__` into an exit code. A message is for people: it says what happened and what
to do, and never holds a stored text, a query or a vector.
"""


class KnowledgeError(Exception):
    """The base of all errors that the daemon means to raise."""

    reason = "internal"
    retryable = False

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        """Facts for programs, sent as part of `error.data`."""


class InvalidInput(KnowledgeError):
    reason = "invalid_params"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field)


class TooLarge(KnowledgeError):
    reason = "too_large"


class NotFound(KnowledgeError):
    reason = "not_found"


class Conflict(KnowledgeError):
    reason = "conflict"


class Unavailable(KnowledgeError):
    reason = "unavailable"
    retryable = True


class Overloaded(KnowledgeError):
    reason = "overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)


class DeadlineExceeded(KnowledgeError):
    reason = "deadline_exceeded"
    retryable = True


class EmbeddingFailed(KnowledgeError):
    reason = "embedding_failed"


class StoreFailed(KnowledgeError):
    reason = "store_failed"


class StorageFull(KnowledgeError):
    reason = "storage_full"
    retryable = True


class Unauthorized(KnowledgeError):
    reason = "unauthorized"


class RateLimited(KnowledgeError):
    reason = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)


class TokensUnusable(KnowledgeError):
    reason = "tokens_unusable"


class BackupUnusable(KnowledgeError):
    reason = "backup_unusable"


class StartRefused(KnowledgeError):
    reason = "start_refused"


MAX_ANSWER_BYTES = 64 << 20


def answer_too_large() -> TooLarge:
    limit_mib = MAX_ANSWER_BYTES >> 20
    return TooLarge(f"An answer has at most {limit_mib} MiB. Ask for fewer entries.")
