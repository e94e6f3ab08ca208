"""The file system below the store."""

import contextlib
import shutil
import threading
from pathlib import Path

from cco_knowledge.store.durability import Disk


def test_measuring_gets_along_with_folders_that_go_away(tmp_path: Path) -> None:
    """Compaction removes files and whole folders of indexes meanwhile."""
    table = tmp_path / "knowledge.lance"
    table.mkdir()
    (table / "kept.lance").write_bytes(b"12345")
    (table / "1.manifest").write_bytes(b"")
    end = threading.Event()

    def churn() -> None:
        while not end.is_set():
            for n in range(20):
                (table / f"index-{n}").mkdir(exist_ok=True)
                (table / f"index-{n}" / "part").write_bytes(b"")
            for n in range(20):
                shutil.rmtree(table / f"index-{n}")

    churning = threading.Thread(target=churn, daemon=True)
    churning.start()
    try:
        with contextlib.closing(Disk(tmp_path)) as disk:
            measured = [disk.measure() for _ in range(300)]
    finally:
        end.set()
        churning.join()
    assert set(measured) == {(5, 1)}


def test_only_the_tables_of_the_folder_itself_are_measured(tmp_path: Path) -> None:
    """The daemon before this one kept its tables in folders below the same one."""
    for table in ("knowledge.lance", "shop/orchestra_knowledge.lance"):
        (tmp_path / table).mkdir(parents=True)
        (tmp_path / table / "1.manifest").write_bytes(b"12")
    with contextlib.closing(Disk(tmp_path)) as disk:
        assert disk.measure() == (2, 1)
