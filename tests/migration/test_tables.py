"""Old tables are read completely; damaged ones give up all that can be read and no more."""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from kmctl.migration.folders import Found, NothingThere, find
from kmctl.migration.tables import NotLegacy, OldTable, Problem, Unreadable
from migration.legacy_data import (
    CASES,
    DIM,
    HISTORIES,
    SPOILT,
    STORAGE_VERSIONS,
    Maker,
    Record,
    leave_uncommitted_change,
    leave_uncommitted_file,
    live_rows,
    manifest,
    records,
    remove_versions,
    repositories,
    some_rows,
    spoil,
    spoil_a_data_file,
    state_of,
)

REAL = ("small", "many_versions", "rust_layout", "nullable@lancedb-0.39.0")
WRITERS = (*REAL, *(case for case in CASES if case.startswith("writer_small")))


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scratch folders are made; nothing is left of them after a test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def read(path: Path) -> tuple[list[Record], list[Problem]]:
    table = OldTable.open(path)
    return records(table.rows()), table.problems


def made(path: Path, storage: str, history: str) -> Path:
    HISTORIES[history](Maker(path, storage))
    return path


def copied(path: Path, to: Path) -> Path:
    return Path(shutil.copytree(path, to, symlinks=True))


# The old tool's own databases


def test_the_archive_has_these_cases(legacy: Path) -> None:
    assert sorted(path.parent.name for path in legacy.glob("*/case.json")) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_real_database_is_read_equal(legacy: Path, case: str) -> None:
    before = state_of(legacy / case)
    known = repositories(legacy / case)
    for repository in known:
        if repository.table is None:
            continue
        table = OldTable.open(repository.table)
        assert records(table.rows()) == records(repository.truth)
        assert bool(table.problems) is not repository.is_sound
    found = [place.path for place in find(legacy / case) if isinstance(place, Found)]
    assert sorted(found) == sorted(one.table for one in known if one.table is not None)
    empty = [place for place in find(legacy / case) if isinstance(place, NothingThere)]
    assert len(empty) == len(known) - len(found)
    assert state_of(legacy / case) == before


@pytest.mark.parametrize("case", WRITERS)
@pytest.mark.parametrize("damage", ["newest", "three newest", "all manifests"])
def test_a_real_database_survives_the_loss_of_versions(
    legacy: Path, tmp_path: Path, case: str, damage: str
) -> None:
    repository = repositories(legacy / case)[-1]
    assert repository.table is not None
    path = copied(repository.table, tmp_path / "copy.lance")
    (path / "_latest.manifest").unlink(missing_ok=True)
    if damage == "all manifests":
        remove_versions(path)
    else:
        newest = [
            manifest(path, from_newest=age)
            for age in range(3 if "three" in damage else 1)
            if lance.dataset(str(path)).version > age + 1
        ]
        for one in newest:
            spoil(one, "truncated")
    rows, problems = read(path)
    assert Counter(rows) == Counter(records(repository.truth))
    assert problems != [] or lance.dataset(str(path)).version == 1


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("corrupt")])
def test_a_damaged_data_file_and_damaged_versions_together_cost_no_more(
    legacy: Path, tmp_path: Path, case: str
) -> None:
    (repository,) = repositories(legacy / case)
    assert repository.table is not None
    path = copied(repository.table, tmp_path / "copy.lance")
    spoil(manifest(path), "empty")
    rows, problems = read(path)
    assert Counter(rows) == Counter(records(repository.truth))
    assert sum(problem.n_rows_lost or 0 for problem in problems) == 1


def test_the_last_copy_of_the_newest_manifest_is_used(legacy: Path, tmp_path: Path) -> None:
    """Old writers kept one more as `_latest.manifest`."""
    (repository,) = repositories(legacy / "writer_small@vectordb-0.4.20")
    assert repository.table is not None
    path = copied(repository.table, tmp_path / "copy.lance")
    shutil.rmtree(path / "_versions")
    shutil.rmtree(path / "_transactions")
    table = OldTable.open(path)
    assert records(table.rows()) == records(repository.truth)
    assert (table.n_rows, table.version) == (12, 12)


# Tables of all storage versions, with all kinds of changes


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
@pytest.mark.parametrize("history", HISTORIES)
class TestAnyHistory:
    def test_a_sound_table_is_read_equal(self, tmp_path: Path, storage: str, history: str) -> None:
        path = made(tmp_path / "t.lance", storage, history)
        leave_uncommitted_file(path)
        leave_uncommitted_change(path, tmp_path / "other.lance")
        table = OldTable.open(path)
        rows = records(table.rows())
        assert rows == records(lance.dataset(str(path)).to_table().to_pylist())
        assert (table.n_rows, table.problems) == (len(rows), [])

    @pytest.mark.parametrize("n_damaged", [1, 2])
    def test_what_the_newest_manifests_said_is_worked_out(
        self, tmp_path: Path, storage: str, history: str, n_damaged: int
    ) -> None:
        path = made(tmp_path / "t.lance", storage, history)
        live = live_rows(path)
        leave_uncommitted_file(path)
        leave_uncommitted_change(path, tmp_path / "other.lance")
        newest = [manifest(path, from_newest=age) for age in range(n_damaged)]
        for one, how in zip(newest, ("truncated", "zeros"), strict=False):
            spoil(one, how)
        rows, problems = read(path)
        assert Counter(rows) == live
        assert {problem.where for problem in problems} >= {
            one.relative_to(path).as_posix() for one in newest
        }

    def test_without_any_manifest_the_changes_are_replayed(
        self, tmp_path: Path, storage: str, history: str
    ) -> None:
        path = made(tmp_path / "t.lance", storage, history)
        live = live_rows(path)
        leave_uncommitted_file(path)
        remove_versions(path)
        rows, problems = read(path)
        assert Counter(rows) == live
        assert [problem.where for problem in problems] == ["_versions"]

    @pytest.mark.parametrize("versions", ["sound", "newest damaged", "gone"])
    def test_a_lost_data_file_costs_its_own_rows(
        self, tmp_path: Path, storage: str, history: str, versions: str
    ) -> None:
        path = made(tmp_path / "t.lance", storage, history)
        live = live_rows(path)
        newest = manifest(path)
        lost = spoil_a_data_file(path, "missing" if versions == "sound" else "garbage")
        if versions == "newest damaged":
            spoil(newest, "empty")
        elif versions == "gone":
            remove_versions(path)
        if lost == live:
            with pytest.raises(Unreadable):
                OldTable.open(path)
            return
        rows, problems = read(path)
        assert Counter(rows) == live - lost
        assert sum(problem.n_rows_lost or 0 for problem in problems) == lost.total()


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
@pytest.mark.parametrize("how", ["missing", *SPOILT])
def test_any_damage_of_a_data_file_is_told(tmp_path: Path, storage: str, how: str) -> None:
    path = made(tmp_path / "t.lance", storage, "deleted")
    live = live_rows(path)
    lost = spoil_a_data_file(path, how)
    table = OldTable.open(path)
    assert Counter(records(table.rows())) == live - lost
    (problem,) = table.problems
    assert problem.where.startswith("data/")
    assert problem.n_rows_lost == lost.total()
    assert table.n_rows == live.total()


def test_of_a_partly_overwritten_data_file_the_rest_is_read(tmp_path: Path) -> None:
    rows = some_rows(0, 3000)
    lance.write_dataset(rows, str(tmp_path / "t.lance"), data_storage_version="legacy")
    (file,) = (tmp_path / "t.lance" / "data").iterdir()
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = random.Random(1).randbytes(2000)
    file.write_bytes(data)

    table = OldTable.open(tmp_path / "t.lance")
    texts = {row.values["text"] for row in table.rows()}
    assert len(texts & set(rows["text"].to_pylist())) > 2000
    assert [problem.where for problem in table.problems] == [f"data/{file.name}"] * len(
        table.problems
    )
    assert table.problems != []


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
def test_zeros_are_no_rows(tmp_path: Path, storage: str) -> None:
    lance.write_dataset(some_rows(0, 50), str(tmp_path / "t.lance"), data_storage_version=storage)
    lance.write_dataset(some_rows(50, 2), str(tmp_path / "t.lance"), mode="append")
    file = max((tmp_path / "t.lance" / "data").iterdir(), key=lambda path: path.stat().st_size)
    data = file.read_bytes()
    end = data.rindex(b"decision-49") + len(b"decision-49")
    file.write_bytes(bytes(end) + data[end:])

    table = OldTable.open(tmp_path / "t.lance")
    assert records(table.rows()) == records(some_rows(50, 2).to_pylist())
    assert [problem.n_rows_lost for problem in table.problems] == [50]


@pytest.mark.parametrize("how", SPOILT)
def test_any_damage_of_the_newest_manifest_is_noticed(tmp_path: Path, how: str) -> None:
    path = made(tmp_path / "t.lance", "2.0", "deleted")
    live = live_rows(path)
    spoil(manifest(path), how)
    assert Counter(read(path)[0]) == live


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
def test_data_files_alone_give_all_rows_and_say_what_is_unknown(
    tmp_path: Path, storage: str
) -> None:
    path = made(tmp_path / "t.lance", storage, "deleted")
    live = live_rows(path)
    remove_versions(path)
    shutil.rmtree(path / "_transactions")
    table = OldTable.open(path)
    rows = Counter(records(table.rows()))
    assert live - rows == Counter()
    assert (rows - live).total() == 3  # the deleted ones
    assert table.n_rows is None
    assert any("deleted" in problem.why for problem in table.problems)


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
def test_a_history_that_was_cleaned_up_is_enough(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "t.lance"
    maker = Maker(path, storage)
    maker.append(2)
    maker.delete(1)
    maker.dataset().cleanup_old_versions(retain_versions=1)
    maker.append()
    maker.delete(0)
    live = live_rows(path)
    remove_versions(path)
    assert Counter(read(path)[0]) == live


def test_two_writers_at_once_are_both_honoured(tmp_path: Path) -> None:
    path = tmp_path / "t.lance"
    maker = Maker(path, "2.0")
    version = maker.dataset().version
    for first in (100, 200):
        one = lance.dataset(str(path), version=version)
        lance.write_dataset(some_rows(first, 2), one, mode="append")
    live = live_rows(path)
    newest = [manifest(path, from_newest=age) for age in range(2)]
    for damaged in newest:
        spoil(damaged, "truncated")
        assert Counter(read(path)[0]) == live


@pytest.mark.parametrize("storage", STORAGE_VERSIONS)
def test_a_damaged_list_of_deleted_rows_costs_no_row(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "t.lance"
    maker = Maker(path, storage)
    maker.append(5)
    maker.delete(0)
    maker.delete(1)
    live = live_rows(path)
    newest = max((path / "_deletions").iterdir(), key=lambda file: int(file.name.split("-")[1]))
    spoil(newest, "empty")
    rows, problems = read(path)
    # The list before it still tells of the first one.
    assert [row[0] for row in (Counter(rows) - live).elements()] == ["decision-2"]
    assert live - Counter(rows) == Counter()
    assert [problem.where for problem in problems] == [f"_deletions/{newest.name}"]


def test_of_a_fragment_with_a_lost_column_file_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.lance"
    maker = Maker(path, "2.0")
    maker.dataset().add_columns({"topic": "upper(id)"})
    (fragment,) = maker.dataset().get_fragments()
    spoil(path / "data" / str(fragment.data_files()[1].path), "missing")
    table = OldTable.open(path)
    rows = list(table.rows())
    assert records(rows) == records(some_rows(0, 3).to_pylist())
    assert all("topic" not in row.values for row in rows)
    (problem,) = table.problems
    assert (problem.n_rows_lost, "topic" in problem.why) == (0, True)


# What a table may look like


def test_columns_may_be_missing_reordered_and_more(tmp_path: Path) -> None:
    vector = pa.array([[0.0] * DIM, [1.0] * DIM, None], pa.list_(pa.float32(), DIM))
    table = pa.table(
        {"text": ["\ufeffa", "b", None], "n": [1, 2, 3], "vector": vector, "id": ["x", None, "x"]}
    )
    lance.write_dataset(table, str(tmp_path / "t.lance"))
    rows = list(OldTable.open(tmp_path / "t.lance").rows())
    assert [row.values for row in rows] == table.drop_columns(["vector"]).to_pylist()
    assert [row.has_zero_vector for row in rows] == [True, False, False]


def test_a_table_without_vectors_or_rows_is_read(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"], "text": ["b"]})
    lance.write_dataset(table, str(tmp_path / "t.lance"))
    (row,) = OldTable.open(tmp_path / "t.lance").rows()
    assert (row.values, row.has_zero_vector) == ({"id": "a", "text": "b"}, False)

    lance.write_dataset(table.slice(0, 0), str(tmp_path / "empty.lance"))
    empty = OldTable.open(tmp_path / "empty.lance")
    assert (list(empty.rows()), empty.n_rows, empty.problems) == ([], 0, [])
    remove_versions(tmp_path / "empty.lance")
    empty = OldTable.open(tmp_path / "empty.lance")
    assert (list(empty.rows()), empty.n_rows, len(empty.problems)) == ([], 0, 1)


@pytest.mark.parametrize("name", ["tab\tname", "new\nline", "\x01\x7f", "ünï 🚀", "#?*%:\\'\""])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    plain = made(tmp_path / "plain.lance", "2.0", "deleted")
    live = live_rows(plain)
    odd = copied(plain, tmp_path / name / "t.lance")
    (tmp_path / "link").symlink_to(odd.parent)
    for path in (odd, tmp_path / "link" / "t.lance"):
        assert Counter(read(path)[0]) == live
    remove_versions(odd)
    assert Counter(read(odd)[0]) == live


@pytest.mark.parametrize("damaged", [False, True])
def test_the_old_folder_is_only_read(tmp_path: Path, *, damaged: bool) -> None:
    path = made(tmp_path / "t.lance", "2.0", "deleted")
    if damaged:
        spoil_a_data_file(path, "truncated")
        remove_versions(path)
    for folder in [path, *(one for one in path.rglob("*") if one.is_dir())]:
        folder.chmod(0o555)
    before = state_of(path)
    read(path)
    assert state_of(path) == before
    for folder in [path, *(one for one in path.rglob("*") if one.is_dir())]:
        folder.chmod(0o755)  # so that pytest can remove it


def test_a_scratch_folder_is_private_and_goes_away(tmp_path: Path, scratch: Path) -> None:
    path = made(tmp_path / "t.lance", "2.0", "appended")
    remove_versions(path)
    table = OldTable.open(path)
    (folder,) = scratch.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    list(table.rows())
    del table
    assert list(scratch.iterdir()) == []


def test_a_table_can_be_read_twice(tmp_path: Path) -> None:
    path = made(tmp_path / "t.lance", "2.0", "appended")
    spoil_a_data_file(path, "empty")
    table = OldTable.open(path)
    first, problems = records(table.rows()), list(table.problems)
    assert records(table.rows()) == first
    assert table.problems == problems


def test_native_code_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "t.lance", "2.0", "appended")
    spoil_a_data_file(path, "empty")
    spoil(manifest(path), "empty")
    read(path)
    assert capfd.readouterr() == ("", "")


# What is no old table, and what cannot be read at all


def test_a_table_of_the_new_daemon_is_none(tmp_path: Path) -> None:
    table = some_rows(0, 2).append_column("content_digest", pa.array([b"1", b"2"]))
    table = table.replace_schema_metadata({"cco.schema_version": "1"})
    lance.write_dataset(table, str(tmp_path / "t.lance"))
    with pytest.raises(NotLegacy, match="new daemon"):
        OldTable.open(tmp_path / "t.lance")
    remove_versions(tmp_path / "t.lance")
    with pytest.raises(NotLegacy, match="new daemon"):
        OldTable.open(tmp_path / "t.lance")


def test_a_table_without_text_is_none(tmp_path: Path) -> None:
    lance.write_dataset(pa.table({"id": ["a"]}), str(tmp_path / "t.lance"))
    with pytest.raises(NotLegacy, match="no column text"):
        OldTable.open(tmp_path / "t.lance")


@pytest.mark.parametrize("left", ["nothing", "a stray file", "versions", "transactions"])
def test_a_table_without_a_readable_row_is_unreadable(tmp_path: Path, left: str) -> None:
    path = made(tmp_path / "t.lance", "2.0", "appended")
    for name in ("data", "_versions", "_transactions"):
        if left not in name:
            shutil.rmtree(path / name)
    if left == "a stray file":
        (path / ".DS_Store").write_bytes(os.urandom(10))
    with pytest.raises(Unreadable):
        OldTable.open(path)
