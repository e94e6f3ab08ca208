"""Every command and example of every page is run, here or in a test that is named here."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from cco_knowledge import config
from cco_knowledge.paths import Home
from pages.blocks import LANGUAGES, blocks_of, steps_of
from pages.shell import ROOT, Shell, matches

TESTED_ELSEWHERE = {
    "docs/claude-code.md": "tests/hooks/test_page.py",
    "docs/kmctl.md": "tests/contract/test_docs.py",
    "docs/knowledge-manager.md": "tests/knowledge_manager/test_page.py",
    "docs/mcp.md": "tests/mcp_server/test_page.py",
    "docs/migration.md": "tests/migration/test_page.py",
    "docs/reference.md": "tests/daemon/test_discover.py",
    "docs/service.md": "tests/service/test_page.py",
}
NOT_RUN = {
    "README.md": 1,
    "docs/KNOWLEDGE_PERFORMANCE_REPORT.md": 1,
    "docs/access.md": 1,
    "docs/guide.md": 1,
    "docs/measuring.md": 7,
    "docs/models.md": 1,
    "docs/packages.md": 3,
}
"""How many blocks of a page are marked as not run. Keep it few."""

ALL = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
HERE = [name for name in ALL if name not in TESTED_ELSEWHERE]
each_page = pytest.mark.parametrize("name", HERE)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_a_page_that_is_tested_elsewhere_is_there() -> None:
    for name, test in TESTED_ELSEWHERE.items():
        assert (ROOT / name).exists(), name
        assert (ROOT / test).exists(), test


@each_page
def test_every_block_is_of_a_kind_that_is_tested(name: str) -> None:
    page = read(name)
    blocks = blocks_of(page)
    assert len(re.findall(r"^\s*(?:```|~~~)", page, re.MULTILINE)) == 2 * len(blocks)
    assert {block.language for block in blocks} <= LANGUAGES


def test_few_blocks_are_not_run() -> None:
    marked = {name: sum(bool(block.not_run) for block in blocks_of(read(name))) for name in HERE}
    assert {name: count for name, count in marked.items() if count} == NOT_RUN
    assert sum(read(name).count("<!-- not run") for name in HERE) == sum(NOT_RUN.values())


@each_page
def test_the_data_of_the_page_are_valid(name: str, tmp_path: Path) -> None:
    for block in blocks_of(read(name)):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "toml":
            Home(tmp_path).config.write_text(block.text)
            config.load_config({"home": str(tmp_path)}, {})


@pytest.mark.parametrize(
    "name", [name for name in HERE if any(True for _ in steps_of(blocks_of(read(name))))]
)
def test_what_the_page_shows_is_what_one_gets(name: str, shell: Shell) -> None:
    steps = list(steps_of(blocks_of(read(name))))
    lacks_curl = shutil.which("curl", path=os.defpath) is None
    for step in steps:
        if not (lacks_curl and "curl " in step.command):
            shell.play(step)
    if lacks_curl and any("curl " in step.command for step in steps):
        pytest.skip("all but the calls of curl went well; curl is not installed")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("stored", "stored", True),
        ("stored", "stored\nand more", False),
        ("", "more", False),
        ("0.731 of 3", "0.2 of 3", True),
        ("0.731 of 3", "0.731 of 4", False),
        ("…", "a\nb", True),
        ("a\n…\nc", "a\nc", True),
        ("a … c", "a b c", True),
        ("a … c", "a b\nc", False),
        ("(pid 1)", "(pid 4242)", True),
    ],
)
def test_only_what_varies_may_differ(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
