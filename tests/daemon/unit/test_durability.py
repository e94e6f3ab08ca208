"""The file system below the store."""

import contextlib
import shutil
import threading
from pathlib import Path

from cco_knowledge.store.durability import Disk


def test_measuring_gets_along_with_folders_that_go_away(tmp_path: Path) -> None:
    """Compaction removes files and whole folders of indexes meanwhile."""
    (tmp_path / "kept.lance").write_bytes(b"12345")
    (tmp_path / "1.manifest").write_bytes(b"")
    end = threading.Event()

    def churn() -> None:
        while not end.is_set():
            for n in range(20):
                (tmp_path / f"index-{n}").mkdir(exist_ok=True)
                (tmp_path / f"index-{n}" / "part").write_bytes(b"")
            for n in range(20):
                shutil.rmtree(tmp_path / f"index-{n}")

    churning = threading.Thread(target=churn, daemon=True)
    churning.start()
    try:
        with contextlib.closing(Disk(tmp_path)) as disk:
            measured = [disk.measure() for _ in range(300)]
    finally:
        end.set()
        churning.join()
    assert set(measured) == {(5, 1)}
