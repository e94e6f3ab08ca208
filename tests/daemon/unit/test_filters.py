"""Predicates: what is quoted stays a value, in our eyes and in the database's."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cco_knowledge.store.filters import PageStart, after, both, one_of, predicate, quoted
from cco_knowledge.store.interface import Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, ModelIdentity, Passage, Vector

NASTY = st.text(
    st.sampled_from("'\"`\\;-/*%_()?$ \n\tabX=1\u2019\u02bc\U0001f600") | st.characters(),
    min_size=1,
    max_size=30,
).map(lambda text: text.encode("utf-8", "replace").decode().replace("\0", "0"))
LITERAL = re.compile(r"'(?:[^']|'')*'")


@given(st.text())
def test_a_quoted_text_is_one_literal(text: str) -> None:
    literal = quoted(text)
    assert LITERAL.fullmatch(literal)
    assert literal[1:-1].replace("''", "'") == text


@given(st.lists(NASTY, min_size=1, max_size=3), NASTY, st.booleans())
def test_values_never_change_the_shape_of_a_predicate(
    values: list[str], other: str, descending: bool
) -> None:
    def shape(condition: str | None) -> str:
        return LITERAL.sub("L", condition or "")

    plain = Filters(project_ids=("a",) * len(values), agents=("a",), session_ids=("a",))
    nasty = Filters(project_ids=tuple(values), agents=(other,), session_ids=(other,))
    assert shape(predicate(nasty)) == shape(predicate(plain))
    for column in ("id", "agent"):
        start = PageStart(column, descending, other, other)
        assert shape(after(start)) == shape(after(PageStart(column, descending, "a", "a")))


def test_no_filter_is_no_predicate() -> None:
    assert predicate(Filters(include_superseded=True)) is None
    assert predicate(Filters()) == "superseded_at IS NULL"
    assert both(None, None) is None
    assert both("a", None, "b") == "a AND b"
    assert one_of("id", ["a", "b'c"]) == "id IN ('a', 'b''c')"


class Table:
    """A store with vectors made by hand."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._store = self._runner.run(
            LanceStore.open(folder, ModelIdentity("by hand", "0" * 64, 2), 1 << 20)
        )
        self.count = 0

    def add(self, project: str, agent: str) -> str:
        self.count += 1
        entry = Entry(
            f"{project} {self.count}",
            "text",
            "general",
            project,
            "s",
            agent,
            "2026-01-01T00:00:00.000Z",
            b"{}",
        )
        passage = Passage(0, 4, Vector(b"\0\0\x80?" + b"\0" * 4))
        draft = Draft(EmbeddedEntry(entry, [passage]), "store", has_given_timestamp=True)
        (outcome,) = self._runner.run(self._store.insert([draft]))
        assert not isinstance(outcome, Exception)
        return outcome.id

    def find(self, filters: Filters) -> set[str]:
        return set(self._runner.run(self._store.find_ids(filters)))

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    made = Table(tmp_path_factory.mktemp("table"))
    made.add("bystander", "bystander")
    yield made
    made.close()


@settings(max_examples=40)
@given(value=NASTY)
def test_the_database_reads_a_quoted_value_as_it_was(table: Table, value: str) -> None:
    project = f"{table.count} {value}"
    entry_id = table.add(project, value)
    assert table.find(Filters(project_ids=(project,))) == {entry_id}
    assert table.find(Filters(project_ids=(project, "other"), agents=(value,))) == {entry_id}
    assert table.find(Filters(project_ids=(project,), agents=(value + "'",))) == set()
