"""A restored table moves in: whenever that is killed, the next start has the old one or the new."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cco_knowledge.backups import files, swap
from cco_knowledge.backups.manifest import TABLE_FOLDER

_KILLED_AT = """
import os, signal, sys
from pathlib import Path
from cco_knowledge.backups import swap

left = int(sys.argv[2])

def killing(event, arguments):
    global left
    if event in ("os.rename", "os.mkdir", "os.rmdir"):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

data = Path(sys.argv[1])
sys.addaudithook(killing)
swap.swap_in(data, data / ".restoring-x")
"""
"""Killed right before the so-manieth step that changes a folder."""


def table(folder: Path, content: str) -> None:
    (folder / TABLE_FOLDER).mkdir(parents=True)
    (folder / TABLE_FOLDER / "file").write_text(content)


def content_of(folder: Path) -> str:
    return (folder / TABLE_FOLDER / "file").read_text()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    table(tmp_path / "knowledge", "old")
    table(tmp_path / "knowledge" / ".restoring-x", "new")
    table(tmp_path / "knowledge" / "another-tool", "theirs")
    return tmp_path / "knowledge"


def killed(data: Path, step: int) -> bool:
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED_AT, str(data), str(step)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert ended.returncode in (0, -signal.SIGKILL)
    return ended.returncode != 0


def test_the_new_one_is_in_place_and_the_old_one_is_kept(data: Path) -> None:
    kept = swap.swap_in(data, data / ".restoring-x")
    assert kept is not None
    assert (content_of(data), content_of(kept)) == ("new", "old")
    swap.settle(data)
    assert {path.name for path in data.iterdir()} == {TABLE_FOLDER, "another-tool", kept.name}


def test_after_a_kill_at_any_step_one_of_them_is_there_whole(data: Path, tmp_path: Path) -> None:
    found = []
    for step in range(20):
        folder = tmp_path / str(step)
        subprocess.run(["cp", "-R", str(data), str(folder)], check=True)
        was_killed = killed(folder, step)
        swap.settle(folder)
        present = content_of(folder)
        found.append(present)
        kept = list(folder.glob(f"{swap.KEPT}*"))
        assert [content_of(each) for each in kept] == (["old"] if present == "new" else [])
        assert content_of(folder / "another-tool") == "theirs"
        assert not list(folder.glob(".rest*"))
        if not was_killed:
            break
    assert found[0] == "old"
    assert found[-1] == "new"
    assert found == sorted(found, reverse=True)
    assert len(found) > 4


def test_a_home_without_a_store_gets_one(tmp_path: Path) -> None:
    table(tmp_path / ".restoring-x", "new")
    assert swap.swap_in(tmp_path, tmp_path / ".restoring-x") is None
    assert [path.name for path in tmp_path.iterdir()] == [TABLE_FOLDER]


def test_two_in_one_second_keep_both(data: Path) -> None:
    first = swap.swap_in(data, data / ".restoring-x")
    table(data / ".restoring-y", "newer")
    second = swap.swap_in(data, data / ".restoring-y")
    assert first is not None
    assert second is not None
    assert [content_of(folder) for folder in (data, first, second)] == ["newer", "old", "new"]


def test_what_is_being_made_ready_is_not_swept(data: Path) -> None:
    with files.unfinished_folder(data, swap.STAGING) as staged:
        swap.settle(data)
        assert staged.exists()
    assert not list(data.glob(f"{swap.STAGING}*"))
