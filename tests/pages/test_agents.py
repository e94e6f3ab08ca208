"""What agents are told is what the code does."""

import re

import pytest

from cco_knowledge.types import ENTRY_TYPES
from kmctl import boundary
from pages.shell import ROOT

PAGE = (ROOT / "docs" / "agents.md").read_text("utf-8")
TEMPLATE = (ROOT / "docs" / "agent-template.md").read_text("utf-8")
TEMPLATE_MAX_LINES = 60
"""It stands in every prompt of every agent."""


def first_cells(header: str) -> list[str]:
    rows = PAGE.partition(f"{header}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [row.strip("|").split("|")[0].strip().strip("`") for row in rows]


def test_the_table_of_types_is_complete() -> None:
    assert set(first_cells("| type | for |")) == set(ENTRY_TYPES)


def test_the_table_of_exit_codes_is_complete() -> None:
    codes = {int(code) for code in first_cells("| exit | what happened | what to do |")}
    failures = {boundary._FAILED, boundary._INTERRUPTED, *boundary._EXIT_OF_REASON.values()}
    assert codes == {0, *failures}


def test_the_template_is_short_and_names_only_what_exists() -> None:
    assert len(TEMPLATE.splitlines()) <= TEMPLATE_MAX_LINES
    assert set(re.findall(r"`(\w+)` \(", TEMPLATE)) == set(ENTRY_TYPES) - {"system"}


@pytest.mark.parametrize("code", sorted(set(boundary._EXIT_OF_REASON.values()) - {4}))
def test_the_template_says_what_to_do_on(code: int) -> None:
    assert re.search(rf"\b{code}: ", TEMPLATE)
