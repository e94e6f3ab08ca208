"""Cursors: what comes back is what went out, and nothing else is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.errors import InvalidInput
from cco_knowledge.rpc import cursor
from cco_knowledge.store.filters import PageStart

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, st.booleans(), TEXT, TEXT)
def test_a_cursor_comes_back(order_by: str, descending: bool, value: str, entry_id: str) -> None:
    start = PageStart(order_by, descending, value, entry_id)
    encoded = cursor.encode(start)
    assert encoded is not None
    assert cursor.decode(encoded, order_by, descending=descending) == start
    with pytest.raises(InvalidInput):
        cursor.decode(encoded, order_by, descending=not descending)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cursor.decode(text, "timestamp", descending=True)
    assert refused.value.data == {"field": "cursor"}


def test_no_next_page_is_no_cursor() -> None:
    assert cursor.encode(None) is None
