"""What has come since the table was tidy, and what is due because of it. Pure."""

from dataclasses import dataclass, replace
from typing import Final, Literal

Step = Literal["gather", "fold"]
QUIET_S: Final = 1.0
_MOMENT_S = 0.25
"""Somebody who stores again and again is not that slow; stores wait while files are gathered."""
_GATHER_FILES = 8
_GATHER_FILES_AT_ONCE = 48
"""Each read of the table takes 0.6 ms of the processor more for each small file. Of a small table
most is answered from memory; what is left, pages of a query and counts of stats, comes seldom. A
client that stores without a pause waits for it with one store of fifty."""
_FOLD_VERSIONS = 16
_FOLD_ROWS = 2000
_FOLD_VERSIONS_AT_ONCE = 512
_FOLD_ROWS_AT_ONCE = 10_000
"""A fold rewrites 10,000 rows and their indexes in 0.3 s, on both cores, and ten stores take twice
their time meanwhile. Until then LanceDB's full-text search looks through new rows one by one,
2.4 µs each."""
_LARGE_GATHER_FILES = 16
_LARGE_GATHER_FILES_AT_ONCE = 64
_LARGE_FOLD_VERSIONS = 1024
_LARGE_FOLD_ROWS = 4096
_LARGE_FOLD_ROWS_AT_ONCE = 16_384
_LARGE_FOLD_SHARE = 8
"""Of a table with indexes of vectors: a fold brings the others up to date as well, which takes
seconds where there are a million rows. Beside 100,000 rows, 200 small files double the time of a
search."""


@dataclass(slots=True)
class Backlog:
    n_stored: int = 0
    """Rows, ever."""
    n_files: int = 0
    """Small ones, since they became one."""
    n_versions: int = 0
    """Since the last fold."""
    n_rows: int = 0
    """Since the last fold: the indexes do not cover them."""
    is_large: bool = False
    """The table has indexes of vectors."""

    def add(self, *, n_rows: int) -> None:
        """One commit."""
        self.n_stored += n_rows
        self.n_files += 1
        self.n_versions += 1
        self.n_rows += n_rows

    def take_over(self, *, n_rows: int, n_unindexed: int, n_files: int) -> None:
        """What an earlier process left behind; as if each row that is new were of a commit."""
        self.n_stored = n_rows
        self.n_files = n_files
        self.n_versions = min(n_unindexed, _FOLD_VERSIONS)
        self.n_rows = n_unindexed

    def due(self) -> Step | None:
        """At once, beside whoever is at work."""
        if self.is_large:
            share = self.n_stored // _LARGE_FOLD_SHARE
            rows = min(max(_LARGE_FOLD_ROWS, share), _LARGE_FOLD_ROWS_AT_ONCE)
            if self.n_rows >= rows or self.n_versions >= _LARGE_FOLD_VERSIONS:
                return "fold"
            return "gather" if self.n_files >= _LARGE_GATHER_FILES_AT_ONCE else None
        rows = max(_FOLD_ROWS_AT_ONCE, self.n_stored // 4)
        if self.n_versions >= _FOLD_VERSIONS_AT_ONCE or self.n_rows >= rows:
            return "fold"
        return "gather" if self.n_files >= _GATHER_FILES_AT_ONCE else None

    def due_when_quiet(self) -> tuple[Step, float] | None:
        """And for how many seconds nobody may have written."""
        if self.is_large:
            if self.n_rows >= _LARGE_FOLD_ROWS:
                return "fold", QUIET_S
            return ("gather", QUIET_S) if self.n_files >= _LARGE_GATHER_FILES else None
        if self.n_files >= _GATHER_FILES:
            return "gather", _MOMENT_S
        rows = max(_FOLD_ROWS, self.n_stored // 20)
        is_fold = self.n_versions >= _FOLD_VERSIONS or self.n_rows >= rows
        return ("fold", QUIET_S) if is_fold else None

    def before(self) -> "Backlog":
        """What a step that begins now will have done away with."""
        return replace(self)

    def gathered(self, before: "Backlog") -> None:
        self.n_files -= before.n_files
        self.n_versions += 1

    def folded(self, before: "Backlog") -> None:
        self.n_files = max(self.n_files - before.n_files, 0)
        self.n_versions -= before.n_versions
        self.n_rows -= before.n_rows
