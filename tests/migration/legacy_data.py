"""Databases of the old knowledge manager with what is in them, and damage done to such."""

import hashlib
import json
import random
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from kmctl.migration.tables import Row

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "legacy" / "legacy.tar.gz"
CASES = (
    "army_table",
    "corrupt_missing_data_file",
    "corrupt_truncated_data_file",
    "credentials",
    "init_only",
    "malformed_metadata",
    "many_versions",
    "medium",
    "nullable@lancedb-0.39.0",
    "odd_dirs",
    "odd_values",
    "rust_layout",
    "small",
    "strays",
    "writer_small@lancedb-0.13.0",
    "writer_small@lancedb-0.39.0",
    "writer_small@vectordb-0.4.20",
)
COLUMNS = (*("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"),)
STORAGE_VERSIONS = ("legacy", "2.0", "2.2")
DIM = 8

Record = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class OldRepository:
    """One of a case."""

    folder: Path
    table: Path | None
    truth: Sequence[Mapping[str, object]]
    """All rows that can be read, in scan order."""
    is_sound: bool


def unpack(to: Path) -> Path:
    """The folder with the cases."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(to, filter="data")
    (inner,) = {path.parent.parent for path in to.rglob("small/case.json")}
    return inner


def repositories(case: Path) -> list[OldRepository]:
    described = json.loads((case / "case.json").read_text("utf-8"))
    return [_repository(case, one) for one in described["repos"]]


def _repository(case: Path, described: Mapping[str, Any]) -> OldRepository:
    folder = case / described["dir"]
    truth = described.get("recoverable") or described["truth"]
    return OldRepository(
        folder=folder,
        table=folder / f"{described['table']}.lance" if described["rows"] else None,
        truth=_json_lines(case / truth) if truth else [],
        is_sound="recoverable" not in described,
    )


def _json_lines(path: Path) -> list[dict[str, object]]:
    """Split at "\\n" only: texts have other characters that count as ends of lines."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def records(rows: Iterable[Row | Mapping[str, object]]) -> list[Record]:
    """The old columns of each; one that is missing counts as NULL, as in the truth."""
    values = [row.values if isinstance(row, Row) else row for row in rows]
    return [tuple(row.get(column) for column in COLUMNS) for row in values]


def state_of(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Of everything in it: mode, time of the last change, and what is in a file."""
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in [folder, *folder.rglob("*")]
    }


# Tables made here


def some_rows(first: int, count: int) -> pa.Table:
    ids = [f"decision-{number}" for number in range(first, first + count)]
    vectors = [[float(number + 1)] * DIM for number in range(first, first + count)]
    columns = {name: [f"{name} of {one}" for one in ids] for name in COLUMNS if name != "id"}
    vector = pa.array(vectors, pa.list_(pa.float32(), DIM))
    return pa.table({"id": ids, "vector": vector, **columns})


class Maker:
    """Changes a table as its name says; each change is a commit."""

    def __init__(self, path: Path, storage: str) -> None:
        self.path = path
        self._n_made = 0
        lance.write_dataset(self._new(3), str(path), data_storage_version=storage)

    def dataset(self) -> Any:
        return lance.dataset(str(self.path))

    def append(self, count: int = 1) -> None:
        lance.write_dataset(self._new(count), str(self.path), mode="append")

    def overwrite(self, count: int = 4) -> None:
        rows = self._new(count)
        lance.write_dataset(rows, str(self.path), mode="overwrite", max_rows_per_file=2)

    def delete(self, *places: int) -> None:
        ids = self.dataset().to_table(columns=["id"])["id"].to_pylist()
        given = ", ".join(f"'{ids[place]}'" for place in places)
        self.dataset().delete(f"id IN ({given})")

    def update(self, place: int) -> None:
        one = self.dataset().to_table(columns=["id"])["id"].to_pylist()[place]
        self.dataset().update({"text": "'changed'"}, where=f"id = '{one}'")

    def compact(self) -> None:
        self.dataset().optimize.compact_files()

    def restore(self, version: int) -> None:
        lance.dataset(str(self.path), version=version).restore()

    def index(self) -> None:
        self.dataset().create_scalar_index("type", "BTREE")

    def _new(self, count: int) -> pa.Table:
        self._n_made += count
        return some_rows(self._n_made - count, count)


def _appended(made: Maker) -> None:
    for _ in range(4):
        made.append()


def _deleted(made: Maker) -> None:
    made.append(3)
    made.delete(1, 4)
    made.append()
    made.delete(0)


def _whole_fragment_deleted(made: Maker) -> None:
    made.append(2)
    made.append(2)
    made.delete(3, 4)


def _updated(made: Maker) -> None:
    made.append(2)
    made.update(1)
    made.update(4)


def _compacted(made: Maker) -> None:
    made.append(2)
    made.delete(1)
    made.compact()
    made.append()


def _just_compacted(made: Maker) -> None:
    made.append(2)
    made.delete(0)
    made.compact()


def _overwritten(made: Maker) -> None:
    made.append(2)
    made.overwrite()
    made.delete(0, 1)
    made.append()


def _restored(made: Maker) -> None:
    made.append(2)
    made.delete(0)
    made.restore(2)
    made.index()


HISTORIES: Mapping[str, Callable[[Maker], None]] = {
    "appended": _appended,
    "deleted": _deleted,
    "whole_fragment_deleted": _whole_fragment_deleted,
    "updated": _updated,
    "compacted": _compacted,
    "just_compacted": _just_compacted,
    "overwritten": _overwritten,
    "restored": _restored,
}


# Damage

SPOILT: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-7],
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: random.Random(1).randbytes(len(data)),
}


def spoil(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(SPOILT[how](path.read_bytes()))


def manifest(table: Path, *, from_newest: int = 0) -> Path:
    number = lance.dataset(str(table)).version - from_newest
    names = (f"{number}.manifest", f"{2**64 - 1 - number}.manifest")
    (found,) = [path for name in names if (path := table / "_versions" / name).exists()]
    return found


def remove_versions(table: Path) -> None:
    shutil.rmtree(table / "_versions")
    (table / "_latest.manifest").unlink(missing_ok=True)


def leave_uncommitted_file(table: Path) -> None:
    """A data file whose writer died before it told of it."""
    one = min((table / "data").iterdir())
    shutil.copy(one, one.with_name(f"stray-{one.name}"))


def leave_uncommitted_change(table: Path, scratch: Path) -> None:
    """Data file and transaction of an addition whose writer died before the commit."""
    shutil.copytree(table, scratch)
    lance.write_dataset(some_rows(9000, 2), str(scratch), mode="append")
    for name in ("data", "_transactions"):
        for path in (scratch / name).iterdir():
            if not (table / name / path.name).exists():
                shutil.copy2(path, table / name)


def live_rows(table: Path) -> Counter[Record]:
    return Counter(records(lance.dataset(str(table)).to_table().to_pylist()))


def spoil_a_data_file(table: Path, how: str) -> Counter[Record]:
    """Gives the rows that are lost with it."""
    fragment = lance.dataset(str(table)).get_fragments()[0]
    lost = Counter(records(fragment.to_table().to_pylist()))
    spoil(table / "data" / str(fragment.data_files()[0].path), how)
    return lost
