"""Digests that filters compare."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.store.metadata import metadata_digest, metadata_digests

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(-1e9, 1e9) | TEXT,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(TEXT, parts, max_size=3),
    max_leaves=6,
)


def swapped(value: Any) -> Any:
    """The same JSON value spelled otherwise: keys in reverse, whole numbers as floats."""
    if isinstance(value, dict):
        return {key: swapped(part) for key, part in reversed(value.items())}
    if isinstance(value, list):
        return [swapped(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value


@given(TEXT, VALUES)
def test_equal_values_have_equal_digests(key: str, value: Any) -> None:
    assert metadata_digest(key, swapped(value)) == metadata_digest(key, value)


def test_large_whole_numbers_compare_by_value_too() -> None:
    assert metadata_digest("k", 1e20) == metadata_digest("k", 10**20)


def test_different_values_have_different_digests() -> None:
    values: list[object] = [0, 1, -1, 0.5, "", "0", "1", None, True, False, [], {}, [1], [[1]]]
    values += [{"a": 1}, {"a": 1, "b": 1}, {"b": 1}, ["a", 1], 2**53, 2**53 + 1, 2**70, "true"]
    digests = {metadata_digest("k", value) for value in values}
    assert len(digests) == len(values)
    assert metadata_digest("other", 1) not in digests


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_a_digest_is_a_signed_64_bit_integer(metadata: dict[str, Any]) -> None:
    digests = metadata_digests(metadata)
    assert len(digests) == len(metadata)
    assert all(-(2**63) <= digest < 2**63 for digest in digests)


def test_a_key_does_not_flow_into_its_value() -> None:
    assert metadata_digest("ab", "c") != metadata_digest("a", "bc")
