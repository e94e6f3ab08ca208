"""How well pre-compaction does on conversations that its rules were not made with. The floors are
a little under what was reached (docs/sessions.md)."""

import dataclasses
import json
import sys
from collections.abc import Iterator

import pytest

from conftest import MakeHome, assert_healthy
from process import Daemon
from sessions.labelled import Figures, measured, read, total

pytestmark = pytest.mark.timeout(300)

PRECISION_FLOOR = 0.86
RECALL_FLOOR = 0.82
TYPED_FLOOR = 0.77
LINKS_RIGHT_FLOOR = 6
REPEATED_CEILING = 4


@pytest.fixture(scope="module")
def figures(new_home: MakeHome) -> Iterator[Figures]:
    daemon = Daemon(new_home()).start().wait_ready()
    try:
        found = total(measured(daemon, one) for one in read("test"))
        log = daemon.stderr
    finally:
        daemon.discard()
    sys.stdout.write(json.dumps(dataclasses.asdict(found)) + "\n")
    yield found
    assert_healthy(log)


def test_little_chatter_is_kept(figures: Figures) -> None:
    assert figures.precision >= PRECISION_FLOOR


def test_most_of_what_is_worth_keeping_is_kept(figures: Figures) -> None:
    assert figures.recall >= RECALL_FLOOR


def test_most_types_are_right(figures: Figures) -> None:
    assert figures.typed >= TYPED_FLOOR


def test_hardly_anything_is_stored_twice(figures: Figures) -> None:
    assert figures.repeated <= REPEATED_CEILING


def test_changes_are_linked_and_never_wrongly(figures: Figures) -> None:
    assert figures.links_wrong == 0
    assert figures.links_right >= LINKS_RIGHT_FLOOR


def test_no_secret_is_stored(figures: Figures) -> None:
    assert figures.leaked == 0
