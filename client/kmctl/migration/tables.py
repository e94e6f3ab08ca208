"""An old knowledge table: the LanceDB folder that the Node.js or Rust knowledge manager wrote.

Only this module imports `lance` (pylance), and only when a table is opened: it costs half a
second. The folder is only read. What has to be written to read a damaged table lies in a scratch
folder, whose `data` and `_deletions` are links to the old ones.
"""

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from kmctl.migration.recovery import (
    NothingLeft,
    recover,
    with_older_deletions,
)
from kmctl.migration.recovery_history import Problem, is_newest, manifest_of
from kmctl.migration.recovery_rows import (
    Damaged,
    Row,
    all_rows,
    damaged_deletions,
    guarded,
    has_damaged_files,
    remaining_rows,
)
from kmctl.migration.transactions import Version

__all__ = ["NotLegacy", "OldTable", "Problem", "Row", "Unreadable"]

_NEW_DAEMONS_KEY = b"cco.schema_version"
_NEW_DAEMONS_COLUMN = "content_digest"  # transactions do not keep the metadata
_NEEDED = {"id", "text"}


class NotLegacy(Exception):
    """No old knowledge table."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unreadable(Exception):
    """Not one row can be read."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class OldTable:
    n_rows: int | None
    """What a full reading should give, as far as it is known."""
    version: int | None
    """The version that is read."""
    problems: list[Problem]
    """Complete once `rows()` is exhausted; empty for a sound table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scratch = Path(tempfile.mkdtemp(prefix="kmctl-migrate-"))
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._found: list[Problem] = []
        self._recovered: Version | None = None
        self._is_complete = True
        self._dataset = self._open()
        self.problems = list(self._found)
        self.version = self._dataset.version or None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises NotLegacy or Unreadable."""
        try:
            table = cls(path)
        except OSError as error:
            raise Unreadable(f"{error.filename or path}: {error.strerror}.") from error
        table._check_columns()
        table._check_rows()
        return table

    def rows(self) -> Iterator[Row]:
        """In scan order, fragment by fragment."""
        self.problems = list(self._found)
        for rows in self._batches():
            yield from rows

    def _batches(self) -> Iterator[list[Row]]:
        n_given = 0
        try:
            if has_damaged_files(self._dataset, self._path):
                raise Damaged  # noqa: TRY301 - as what Lance notices itself
            for rows in all_rows(self._dataset):
                n_given += len(rows)
                yield rows
        except Damaged:
            self._mend_deletions()
            yield from remaining_rows(self._dataset, self._path, n_given, self.problems)
        else:
            self._compare(n_given)

    def _compare(self, n_given: int) -> None:
        n_missing = (self._counted() or 0) - n_given
        if n_missing > 0:
            why = "Fewer rows could be read than the table's list of data files says."
            self.problems.append(Problem("", why, n_missing))

    def _check_columns(self) -> None:
        schema = self._dataset.schema
        if _NEW_DAEMONS_KEY in (schema.metadata or {}) or _NEW_DAEMONS_COLUMN in schema.names:
            raise NotLegacy("It was written by the new daemon.")
        missing = sorted(_NEEDED - set(schema.names))
        if missing:
            raise NotLegacy(f"It is no knowledge table: it has no column {' and '.join(missing)}.")

    def _check_rows(self) -> None:
        has_row = next(self.rows(), None) is not None
        self.n_rows = self._counted() if self._is_complete else None
        if not has_row and self.n_rows != 0:
            raise Unreadable("All of its data files are missing or damaged.")
        self.problems = list(self._found)

    def _counted(self) -> int | None:
        try:
            with guarded():
                return int(self._dataset.count_rows())
        except Damaged:
            return None

    def _open(self) -> Any:
        """The newest version; where it cannot be opened, what can be put together again."""
        link = self._scratch / "table"  # Lance refuses control characters in a path
        link.symlink_to(self._path.resolve(), target_is_directory=True)
        with contextlib.suppress(Damaged):
            dataset = _opened(link)
            if is_newest(self._path, dataset.version):
                return dataset
        return self._open_recovered()

    def _open_recovered(self) -> Any:
        try:
            recovered = recover(self._path)
        except NothingLeft:
            raise Unreadable("Neither its versions nor its data files can be read.") from None
        self._is_complete = recovered.is_complete
        self._found.extend(recovered.problems)
        try:
            return self._written(recovered.version)
        except Damaged:
            raise Unreadable("What is left of it cannot be put together.") from None

    def _mend_deletions(self) -> None:
        """So that a damaged list of deleted rows does not cost the rows that were not."""
        while damaged := damaged_deletions(self._dataset):
            version = self._recovered or manifest_of(self._path, self._dataset.version)
            if version is None:
                return
            mended, problems = with_older_deletions(self._path, version, damaged)
            self._found.extend(problems)
            self.problems.extend(problems)
            try:
                self._dataset = self._written(mended)
            except Damaged:
                return

    def _written(self, version: Version) -> Any:
        self._recovered = version
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        (folder / "_versions").mkdir()
        (folder / "_versions" / f"{version.number}.manifest").write_bytes(version.encoded())
        for name in ("data", "_deletions"):
            (folder / name).symlink_to(self._path.resolve() / name, target_is_directory=True)
        return _opened(folder)


def _opened(folder: Path) -> Any:
    import lance

    with guarded():
        return lance.dataset(str(folder))
