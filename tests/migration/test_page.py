"""The commands of docs/migration.md, as a reader would run them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.test_cli_migrate import row, write_table
from outcome import Kmctl
from process import clean_environment

PAGE = Path(__file__).parents[2] / "docs/migration.md"


@pytest.fixture
def reader(home: Path) -> Iterator[Path]:
    """A home folder with old data and no daemon yet; `~/.cco` is the daemon's home."""
    (home / ".cco").symlink_to(home)
    write_table(home / "git/cc-orchestra/data/knowledge/shop", row(), row(id="b", type="--type"))
    yield home
    Kmctl(home)("stop")


def run(command: str, reader: Path) -> str:
    programs = str(Path(sys.executable).parent)
    environment = clean_environment(reader)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended
    return ended.stdout


def test_the_commands_of_the_page_run(reader: Path) -> None:
    page = PAGE.read_text("utf-8")
    commands = re.findall(r"^\$ (.+)$", page, re.MULTILINE)
    assert len(commands) == 4
    *earlier, undo = commands
    outputs = [run(command, reader) for command in earlier]
    assert "Dry run: nothing was stored." in outputs[1]
    assert "sampled entries are found by searching." in outputs[2]
    (kept,) = (reader / "migrations").glob("*.json")
    listed = run("kmctl query --type=--type", reader)
    assert listed.count("We keep sessions in Redis.") == 1
    run("kmctl update b --type decision", reader)
    example = undo.split()[-1]
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", example)
    assert "2 entries" in run(undo.replace(example, kept.stem), reader)
