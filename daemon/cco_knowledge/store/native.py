"""The one importer of LanceDB and pyarrow: their native layers without what surrounds them.

`import lancedb` costs 2.4 s and 147 MB, of which REST models, pydantic and numpy are most; an
embedded store calls none of them. `lancedb._lancedb` is the typed binding that LanceDB's own
asyncio classes wrap one to one; with pyarrow it costs 0.1 s and 56 MB. It is private, so the
version is pinned exactly and tests/store proves every call that we make.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from cco_knowledge.package_shell import install_shell

_PANICS = {"PanicException", "RustPanic"}
"""pyo3's and pyo3-async-runtimes' own; neither can be imported."""

_BOUNDS = {
    "LANCE_DEFAULT_IO_BUFFER_SIZE": str(16 << 20),  # else 2 GiB may be read ahead
    "LANCE_DEFAULT_BATCH_SIZE": "1024",  # else 8192 rows, of up to 500 kB each
}
"""What a compaction may hold in memory, for want of an argument: rewriting 100,000 rows of 40 words
takes 130 MB instead of 265. Searches take as long as without."""


def _load_pyarrow() -> Any:
    """Pyarrow takes numpy when it finds it; hiding it saves 0.25 s and 11 MB."""
    if "numpy" in sys.modules or "pyarrow" in sys.modules:
        import pyarrow as pa

        return pa
    sys.modules["numpy"] = None  # type: ignore[assignment]  # makes `import numpy` fail
    try:
        import pyarrow as pa
    finally:
        del sys.modules["numpy"]
    return pa


def _load_lancedb() -> Any:
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)
    install_shell("lancedb", "lancedb")
    from lancedb import _lancedb

    return _lancedb


pa = _load_pyarrow()
lance = _load_lancedb()


@contextlib.contextmanager
def panics_caught() -> Iterator[None]:
    """A panic on the Rust side as RuntimeError: damaged files cause it, and it is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ not in _PANICS:
            raise
        raise RuntimeError("LanceError(Panic)") from error


class Scannable:
    """Rows as the binding's `add` wants them (its own is `lancedb.scannable.Scannable`)."""

    rescannable = True

    def __init__(self, batch: Any) -> None:
        self.schema = batch.schema
        self.num_rows = batch.num_rows
        self._batch = batch

    def reader(self) -> Any:
        return pa.RecordBatchReader.from_batches(self.schema, [self._batch])
