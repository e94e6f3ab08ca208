"""docs/service.md, as a reader would run it."""

import pytest

from pages.blocks import blocks_of, steps_of
from pages.shell import ROOT, matches
from service.private_systemd import PrivateSystemd

READER_HOME = "/home/me"


@pytest.mark.usefixtures("_sees_the_interpreter")
def test_the_commands_of_the_page_print_what_it_shows(systemd: PrivateSystemd) -> None:
    steps = list(steps_of(blocks_of((ROOT / "docs" / "service.md").read_text("utf-8"))))
    assert len(steps) == 8
    for step in steps:
        printed = systemd.sh(step.command)
        assert printed.code == 0, printed
        shown = printed.out.replace(str(systemd.home), READER_HOME).rstrip("\n")
        assert step.output is None or matches("\n".join(step.output), shown), shown
