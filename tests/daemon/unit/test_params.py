"""Params: the field that an error names, whatever msgspec says."""

from typing import Any

import pytest

from cco_knowledge.errors import InvalidInput
from cco_knowledge.rpc import params, reading
from cco_knowledge.rpc.methods import METHODS


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (params.StoreParams, {}, "text"),  # missing
        (params.StoreParams, {"text": "a", "extra": 1}, "extra"),  # unknown
        (params.StoreParams, {"text": "a", "a.b[0]": 1}, "a.b[0]"),
        (params.StoreParams, {"text": "a", "x - at `$.agent`": 1}, "x - at `$.agent`"),
        (params.StoreParams, {"text": 5}, "text"),  # wrong type
        (params.StoreParams, {"text": "a", "agent": "a" * 257}, "agent"),  # too long
        (params.StoreParams, {"text": "a", "id": 5}, "id"),  # optional
        (params.StoreParams, {"text": "a", "timestamp": "x"}, "timestamp"),  # not a time
        (params.StoreParams, {"text": "a", "timestamp": "2026-01-01T00:00:00"}, "timestamp"),
        (params.StoreParams, {"text": "a", "on_duplicate": "x"}, "on_duplicate"),  # enum
        (params.StoreParams, {"text": "a", "on_duplicate": 5}, "on_duplicate"),
        (params.StoreParams, {"text": "a", "metadata": 5}, "metadata"),  # wrong container
        (params.SearchParams, {"query": "a", "limit": 0}, "limit"),  # too small
        (params.SearchParams, {"query": "a", "limit": 101}, "limit"),  # too large
        (params.SearchParams, {"query": "a", "threshold": 2}, "threshold"),
        (params.SearchParams, {"query": "a", "agent": 5}, "agent"),  # union
        (params.SearchParams, {"query": "a", "agent": ["a", 5]}, "agent"),  # inside a list
        (params.SearchParams, {"query": "a", "agent": ["a" * 257]}, "agent"),
        (params.StoreBatchParams, {"items": []}, "items"),  # too short a list
        (params.StoreBatchParams, {"items": [{}] * 1001}, "items"),
        (params.EmbedParams, {"texts": ["a"], "kind": "x"}, "kind"),
        (params.NoParams, {"any": 1}, "any"),
    ],
)
def test_the_field_is_named(kind: type[params.Params], given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reading.read(kind, given)
    assert refused.value.data == {"field": field}


@pytest.mark.parametrize("choice", ["secret", "it's secret", 'a "secret"', "a\nsecret", "'secret"])
def test_a_wrong_choice_is_not_repeated(choice: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reading.read(params.StoreParams, {"text": "a", "on_duplicate": choice})
    assert "secret" not in refused.value.message


def test_positional_params_are_named_by_the_order_of_the_contract() -> None:
    orders = {
        "knowledge.store": ["text", "type", "project_id", "session_id", "agent", "metadata", "id"],
        "knowledge.store_batch": ["items"],
        "knowledge.search": ["query", "limit", "threshold", "mode"],
        "knowledge.get": ["ids"],
        "knowledge.update": ["id"],
        "knowledge.delete": ["ids"],
        "knowledge.stats": ["project_id"],
        "knowledge.cleanup": ["older_than_days", "project_id", "type", "dry_run"],
        "embedding.embed": ["texts", "kind"],
    }
    for method, names in orders.items():
        fields = METHODS[method].params.__struct_fields__
        assert list(fields[: len(names)]) == names, method


@pytest.mark.parametrize("name", ["project_id", "type", "agent", "session_id"])
def test_empty_and_null_set_no_filter(name: str) -> None:
    for nothing in ("", None):
        filters = reading.read(params.QueryParams, {name: nothing}).filters()
        assert filters == params.QueryParams().filters()
