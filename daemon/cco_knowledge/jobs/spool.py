"""What a job has received and not worked on yet: JSON values on the disk, one a line."""

import errno
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from cco_knowledge.errors import KnowledgeError, StorageFull, StoreFailed


class Spool:
    """Of msgspec, because orjson writes no integers beyond 64 bits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_items = 0

    def append(self, items: Sequence[Any]) -> None:
        """All of them or none.

        Raises:
            StorageFull, StoreFailed: they cannot be written.
        """
        lines = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
        try:
            with self._path.open("ab", buffering=0) as stream:
                _write_whole(stream, lines)
        except OSError as error:
            raise _refusal(error) from error
        self.n_items += len(items)

    def batches(self, max_items: int, max_bytes: int) -> Iterator[list[Any]]:
        """In the order in which they came; at least one item each."""
        batch: list[Any] = []
        n_bytes = 0
        with self._path.open("rb") as stream:
            for line in stream:
                if batch and (len(batch) == max_items or n_bytes + len(line) > max_bytes):
                    yield batch
                    batch, n_bytes = [], 0
                batch.append(msgspec.json.decode(line))
                n_bytes += len(line)
        if batch:
            yield batch

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)


def _write_whole(stream: FileIO, data: bytes) -> None:
    length_bytes = stream.tell()
    try:
        while data:
            data = data[stream.write(data) :]
    except OSError:
        stream.truncate(length_bytes)
        raise


def _refusal(error: OSError) -> KnowledgeError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull("The disk is full; this part was not received. Make room, then send it.")
    return StoreFailed(f"What was sent cannot be kept on the disk ({error.strerror}).")
