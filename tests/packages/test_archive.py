"""The archive of scripts/archive, from its first start on."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import archive
from packages.conftest import run

pytestmark = pytest.mark.timeout(600)

PATH = f"{Path(sys.executable).resolve().parent}:{os.defpath}"


@pytest.fixture
def work() -> Iterator[Path]:
    """Short, for a socket."""
    with tempfile.TemporaryDirectory(prefix="kd-", dir="/tmp") as folder:
        yield Path(folder)


def test_it_stores_and_finds_where_neither_home_nor_path_is_set(program: Path, work: Path) -> None:
    file = work / "cco-knowledge"
    archive.pack(program, file, level=0)
    environment = {"XDG_DATA_HOME": str(work / "data"), "CCO_HOME": str(work / "home")}
    started = run([str(file), "start", "--detach"], environment)
    assert (started.returncode, started.stderr.startswith("Unpacking ")) == (0, True), started
    try:
        stored = run([str(file), "store", "The night shift starts at ten"], environment)
        assert (stored.returncode, stored.stderr) == (0, "")
        found = run([str(file), "search", "--json", "when do they begin at night?"], environment)
        texts = [entry["text"] for entry in json.loads(found.stdout)["results"]]
        assert texts == ["The night shift starts at ten"]
        old = work / "knowledge-manager"
        old.symlink_to(file)
        assert "night shift" in run([str(old), "search", "night shift"], environment).stdout
        judged = json.loads(run([str(file), "doctor", "--json"], environment).stdout)
        assert [check for check in judged["checks"] if check["state"] == "error"] == []
    finally:
        assert run([str(file), "stop"], environment).returncode == 0


@pytest.fixture
def small(small_program: Path, tmp_path: Path) -> Path:
    file = tmp_path / "cco-knowledge"
    archive.pack(small_program, file)
    return file


def unpacked(home: Path) -> list[Path]:
    folder = home / ".local" / "share" / "cco-knowledge"
    return [path for path in folder.iterdir() if path.is_dir()]


def test_its_name_says_which_command_it_is(small: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    for name in ("kmctl", "cco-knowledged", "knowledge-manager", "anything"):
        link = tmp_path / name
        link.symlink_to(small)
        told = run([name, "a b", "--c"], environment | {"PATH": f"{tmp_path}:{PATH}"})
        (folder,) = unpacked(tmp_path)
        command = "kmctl" if name == "anything" else name
        assert told.stdout.splitlines() == [command, str(folder), "a b", "--c"], told


def test_only_the_first_start_unpacks_and_modes_are_kept(small: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    assert "Unpacking 1 MB into" in run([str(small)], environment).stderr
    (folder,) = unpacked(tmp_path)
    (library,) = folder.rglob("library.so")
    assert os.access(library, os.X_OK)
    again = run([str(small)], {"HOME": str(tmp_path), "PATH": "/nowhere"})
    assert (again.returncode, again.stderr) == (0, "")


def test_starts_at_once_unpack_it_once(small: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    starts = [
        subprocess.Popen([small], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [start.communicate()[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * 4
    assert sum("Unpacking" in each for each in said) == 1
    assert len(unpacked(tmp_path)) == 1


def test_an_unpacking_that_was_killed_is_done_again(small: Path, tmp_path: Path) -> None:
    left = tmp_path / ".local/share/cco-knowledge/unfinished"
    (left / "bin").mkdir(parents=True)
    assert run([str(small)], {"HOME": str(tmp_path), "PATH": PATH}).returncode == 0
    assert not left.exists()


def test_where_its_python_has_gone_it_takes_another(small: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    run([str(small)], environment)
    (folder,) = unpacked(tmp_path)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")
    assert run([str(small)], environment).returncode == 0


def test_another_version_lies_beside_it_and_is_named(
    small: Path, small_program: Path, tmp_path: Path
) -> None:
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    run([str(small)], environment)
    (older,) = unpacked(tmp_path)
    (small_program / "bin" / "kmctl").write_text("print('newer')")
    newer = tmp_path / "newer"
    archive.pack(small_program, newer)
    started = run([str(newer)], environment)
    assert started.stdout == "newer\n"
    assert f"Older ones, which may go: {older}" in started.stderr
    assert run([str(small)], environment).stdout.startswith("kmctl\n")


def test_the_same_program_gives_the_same_file(
    small: Path, small_program: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(small_program, tmp_path / "copy", copy_function=shutil.copyfile)
    for path in copy.rglob("*.so"):
        path.chmod(0o755)
    archive.pack(copy, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == small.read_bytes()


def test_where_its_python_is_missing_it_says_so(small: Path, tmp_path: Path) -> None:
    told = run(["/bin/sh", str(small)], {"HOME": str(tmp_path), "PATH": "/nowhere"})
    assert (told.returncode, "none is on the PATH" in told.stderr) == (1, True)


def test_where_it_cannot_be_unpacked_it_says_so(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {"XDG_DATA_HOME": str(tmp_path / "file"), "PATH": PATH}
    told = run([str(small)], environment)
    assert (told.returncode, "cannot be unpacked" in told.stderr) == (1, True)
    assert "Traceback" not in told.stderr
