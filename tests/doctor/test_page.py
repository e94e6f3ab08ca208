"""docs/doctor.md lists the checks as they are. Its commands are played with those of all pages."""

import re

from doctor.test_bugreport import FILES
from doctor.test_doctor import SAFE
from kmctl.doctor.checks import CHECKS
from pages.shell import ROOT

PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")


def rows(titles: str) -> list[list[str]]:
    lines = PAGE.partition(f"{titles}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_checks_is_that_of_the_code() -> None:
    documented = rows("| check | is this so? | why it matters | `--fix` |")
    mended = {name for name, _, _ in SAFE}
    assert documented == [
        [f"`{check.name}`", check.looks_at, check.why, "yes" if check.name in mended else ""]
        for check in CHECKS
    ]


def test_each_file_of_a_report_is_told() -> None:
    assert [row[0] for row in rows("| file | holds | does not hold |")] == [
        f"`{name}`" for name in FILES
    ]


def test_the_parts_of_a_check_are_told() -> None:
    for name in ("state", "fix", "fixed"):
        assert re.search(rf"`{name}`", PAGE)
