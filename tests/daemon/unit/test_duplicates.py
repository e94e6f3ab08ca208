"""What becomes of a draft."""

from dataclasses import replace

from cco_knowledge.errors import Conflict
from cco_knowledge.store.duplicates import Known, decide
from cco_knowledge.store.interface import Draft, OnDuplicate, Stored
from cco_knowledge.types import EmbeddedEntry, Entry, Passage, Vector

FIRST = Entry("1", "text", "general", "p", "s", "a", "2026-01-01T00:00:00.000Z", b'{"a":1}')


def draft(
    entry: Entry, on_duplicate: OnDuplicate = "return", *, has_timestamp: bool = False
) -> Draft:
    return Draft(EmbeddedEntry(entry, [Passage(0, 4, Vector(b""))]), on_duplicate, has_timestamp)


def outcome(of: Draft, *stored: Entry) -> Stored | Exception:
    decided = decide([of], Known(stored))
    (only,) = decided.outcomes
    is_new = isinstance(only, Stored) and only.duplicate_of is None
    assert list(decided.new) == ([of] if is_new else [])
    return only


def test_something_new_is_stored() -> None:
    assert outcome(draft(FIRST)) == Stored("1", FIRST.timestamp, None)


def test_the_same_content_is_the_oldest_entry() -> None:
    younger = replace(FIRST, id="0", timestamp="2026-01-02T00:00:00.000Z")
    again = outcome(draft(replace(FIRST, id="2")), younger, FIRST)
    assert again == Stored("1", FIRST.timestamp, "1")


def test_the_same_content_may_be_stored_or_rejected() -> None:
    again = replace(FIRST, id="2")
    assert outcome(draft(again, "store"), FIRST) == Stored("2", FIRST.timestamp, None)
    rejected = outcome(draft(again, "reject"), FIRST)
    assert isinstance(rejected, Conflict)
    assert rejected.data == {"duplicate_of": "1"}


def test_text_type_and_project_together_make_the_content() -> None:
    others = (
        replace(FIRST, id="2", text="other"),
        replace(FIRST, id="2", type="issue"),
        replace(FIRST, id="2", project_id="other"),
    )
    for other in others:
        new = outcome(draft(other), FIRST)
        assert new == Stored("2", FIRST.timestamp, None)
    sames = (
        replace(FIRST, id="2", agent="other"),
        replace(FIRST, id="2", session_id="other"),
        replace(FIRST, id="2", metadata=b"{}"),
    )
    for same in sames:
        again = outcome(draft(same), FIRST)
        assert isinstance(again, Stored)
        assert again.duplicate_of == "1"


def test_borders_between_fields_count() -> None:
    one = replace(FIRST, type="ab", project_id="c")
    other = replace(FIRST, id="2", type="a", project_id="bc")
    assert outcome(draft(other), one) == Stored("2", FIRST.timestamp, None)


def test_the_same_id_with_equal_fields_is_a_no_op() -> None:
    later = replace(FIRST, timestamp="2026-02-02T00:00:00.000Z", metadata=b'{ "a": 1 }')
    assert outcome(draft(later, "reject"), FIRST) == Stored("1", FIRST.timestamp, "1")


def test_the_same_id_with_another_given_timestamp_is_a_conflict() -> None:
    later = replace(FIRST, timestamp="2026-02-02T00:00:00.000Z")
    assert isinstance(outcome(draft(later, has_timestamp=True), FIRST), Conflict)


def test_the_same_id_with_another_field_is_a_conflict() -> None:
    others: list[dict[str, str | bytes]] = [
        {"text": "other"},
        {"type": "issue"},
        {"project_id": "other"},
        {"session_id": "other"},
        {"agent": "other"},
        {"metadata": b'{"a":2}'},
    ]
    for other in others:
        changed = replace(FIRST, **other)  # type: ignore[arg-type]
        assert isinstance(outcome(draft(changed, "store"), FIRST), Conflict), other


def test_true_is_not_one() -> None:
    assert isinstance(outcome(draft(replace(FIRST, metadata=b'{"a":true}')), FIRST), Conflict)


def test_later_drafts_see_earlier_ones() -> None:
    drafts = [draft(replace(FIRST, id=str(n))) for n in range(3)]
    decided = decide(drafts, Known([]))
    assert list(decided.new) == drafts[:1]
    assert [o.duplicate_of for o in decided.outcomes if isinstance(o, Stored)] == [None, "0", "0"]
