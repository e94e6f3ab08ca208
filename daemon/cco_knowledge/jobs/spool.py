"""What a job has received and not worked on yet: JSON values on the disk, one a line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec


class Spool:
    """Of msgspec, because orjson writes no integers beyond 64 bits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_items = 0

    def append(self, items: Sequence[Any]) -> None:
        with self._path.open("ab") as stream:
            for item in items:
                stream.write(msgspec.json.encode(item) + b"\n")
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
