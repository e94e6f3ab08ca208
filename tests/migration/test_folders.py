"""Old tables are found wherever they lie, each once, and always in the same order."""

import os
from pathlib import Path

import pytest

from cco_knowledge_client import InvalidParams
from kmctl.migration.folders import Found, NothingThere, find

NAME = "orchestra_knowledge.lance"


def make_table(path: Path) -> Path:
    (path / "_versions").mkdir(parents=True)
    (path / "_versions" / "1.manifest").write_bytes(b"x")
    return path


def test_a_table_its_repository_and_any_folder_above_lead_to_it(tmp_path: Path) -> None:
    table = make_table(tmp_path / "data" / "knowledge" / "shop" / NAME)
    for source in (table, table.parent, table.parent.parent, tmp_path):
        assert find(source) == [Found(table)]


def test_all_tables_come_sorted_hidden_and_odd_ones_too(tmp_path: Path) -> None:
    names = ["b", ".hidden", "ünï-日本語 🚀", "tab\tname", "a repo", "B"]
    tables = [make_table(tmp_path / name / NAME) for name in names]
    tables.append(make_table(tmp_path / "b" / "army_knowledge.lance"))
    assert find(tmp_path) == [Found(path) for path in sorted(tables, key=os.fsencode)]


def test_stray_files_are_ignored_and_a_table_is_not_searched_for_others(tmp_path: Path) -> None:
    table = make_table(tmp_path / "shop" / NAME)
    make_table(table / "inner.lance")
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "shop" / "notes.lance").write_text("a file, not a table")
    assert find(tmp_path) == [Found(table)]


def test_an_empty_repository_and_an_empty_table_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half" / NAME / "data").mkdir(parents=True)
    assert find(tmp_path) == [
        NothingThere(tmp_path / "empty", "an empty folder"),
        NothingThere(tmp_path / "half" / NAME, "a table folder without any file"),
    ]
    assert find(tmp_path / "empty") == [NothingThere(tmp_path / "empty", "an empty folder")]


def test_links_are_followed_but_nothing_comes_twice_and_loops_end(tmp_path: Path) -> None:
    elsewhere = make_table(tmp_path / "elsewhere" / "shop" / NAME)
    base = tmp_path / "base"
    base.mkdir()
    (base / "first").symlink_to(elsewhere.parent)
    (base / "second").symlink_to(elsewhere.parent)
    (base / "loop").symlink_to(base)
    (base / "broken").symlink_to(tmp_path / "nowhere")
    assert find(base) == [Found(base / "first" / NAME)]


def test_a_linked_table_folder_is_found(tmp_path: Path) -> None:
    elsewhere = make_table(tmp_path / "elsewhere" / "real.lance")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / NAME).symlink_to(elsewhere)
    assert find(tmp_path / "base") == [Found(tmp_path / "base" / NAME)]


def test_a_source_that_is_not_there_or_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidParams, match="nowhere does not exist"):
        find(tmp_path / "nowhere")
    with pytest.raises(InvalidParams, match="file is not a folder"):
        find(tmp_path / "file")
