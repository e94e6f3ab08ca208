"""Old records as entries: what fits stays, what does not is kept beside."""

import json
from typing import Any

import pytest

from kmctl.migration.records import NO_TEXT, Records, is_initialisation, renamed

ROW: dict[str, object] = {
    "id": "decision-1763024408000-1ez644",
    "text": " \ufeffnul\0after ",
    "type": 'my type/with "quotes" & \u00fcn\u00ef',
    "project_id": "line\nbreak",
    "session_id": "12",
    "agent": "[object Object]",
    "timestamp": "2025-11-13T09:00:08.000Z",
    "metadata": '{"b": [1, null, 12345678901234567890], "a": {"__proto__": {}}}',
}
INITIALISATION: dict[str, object] = {
    "id": "init-1763024400000",
    "text": "Initialization record",
    "type": "system",
    "project_id": "system",
    "session_id": "init",
    "agent": "system",
    "timestamp": "2025-11-13T09:00:00.000Z",
    "metadata": "{}",
}


def item_of(**changes: object) -> dict[str, Any]:
    return Records().item({**ROW, **changes})


def legacy_of(**changes: object) -> dict[str, Any]:
    legacy: dict[str, Any] = item_of(**changes)["metadata"]["_legacy"]
    return legacy


def test_what_an_entry_can_hold_stays_as_it_was() -> None:
    item = item_of()
    item.pop("record")
    assert item == {**ROW, "metadata": json.loads(str(ROW["metadata"]))}


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("text", NO_TEXT),
        ("type", "general"),
        ("project_id", "default"),
        ("session_id", "unknown"),
        ("agent", "unknown"),
    ],
)
def test_an_empty_field_gets_its_default_and_says_what_it_was(
    name: str, default: str, empty: str | None
) -> None:
    item = item_of(**{name: empty})
    assert item[name] == default
    assert item["metadata"]["_legacy"] == {name: empty}


def test_a_missing_column_is_as_a_null() -> None:
    row = {name: value for name, value in ROW.items() if name not in ("agent", "metadata")}
    item = Records().item(row)
    assert (item["agent"], item["metadata"]) == (
        "unknown",
        {"_legacy": {"agent": None, "metadata": None}},
    )
    assert item["record"] == item_of(agent=None, metadata=None)["record"]


@pytest.mark.parametrize(
    "raw",
    [
        *("", "null", '"str"', "[1,2]", "42", "true", "{bad json", '{"a":1', "undefined", "NaN"),
        *("{'single':'quotes'}", '{"trailing":1,}', "[object Object]", '{"k":"\\ud800"}'),
        *('{"n": NaN}', '{"n": 1e999}', '{"deep": ' + "[" * 300 + "]" * 300 + "}"),
        '{"deeper": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_metadata_that_are_no_object_are_kept_as_text(raw: str) -> None:
    assert item_of(metadata=raw)["metadata"] == {"_legacy": {"metadata": raw}}


@pytest.mark.parametrize("raw", ["   {}   ", '{"big":12345678901234567890}', '{"a":{"b":[]}}'])
def test_metadata_that_are_an_object_are_that_object(raw: str) -> None:
    assert item_of(metadata=raw)["metadata"] == json.loads(raw)


@pytest.mark.parametrize("raw", ['{"dup":1,"dup":2}', '{"dup":2,"_legacy":{"id":"x"}}'])
def test_metadata_that_an_entry_cannot_say_whole_are_there_in_both_ways(raw: str) -> None:
    assert item_of(metadata=raw)["metadata"] == {"dup": 2, "_legacy": {"metadata": raw}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2025-11-28T15:00:00.854671471+00:00", "2025-11-28T15:00:00.854Z"),
        ("2025-11-28T15:00:00+01:30", "2025-11-28T13:30:00.000Z"),
        ("2025-11-28", "2025-11-28T00:00:00.000Z"),
        (1763024408000, "2025-11-13T09:00:08.000Z"),
    ],
)
def test_a_time_in_another_form_is_the_same_time(old: object, new: str) -> None:
    item = item_of(timestamp=old)
    assert item["timestamp"] == new
    assert item["metadata"]["_legacy"]["timestamp"] == old


def test_what_is_no_time_gets_that_of_the_id_or_of_the_record_before() -> None:
    records = Records()
    first = records.item({**ROW, "timestamp": "2025-01-01T00:00:00.000Z"})
    from_id = records.item({**ROW, "id": "edit-1763024400-abcdefg", "timestamp": "yesterday"})
    from_before = records.item({**ROW, "id": "null-timestamp", "timestamp": None})
    assert first["timestamp"] == "2025-01-01T00:00:00.000Z"
    assert from_id["timestamp"] == from_before["timestamp"] == "2025-11-13T09:00:00.000Z"
    assert from_id["metadata"]["_legacy"] == {"timestamp": "yesterday"}
    assert Records().item({"text": "x"})["timestamp"] == "1970-01-01T00:00:00.000Z"


def test_a_missing_id_is_made_and_the_same_each_time() -> None:
    made = item_of(id=None)
    assert made["id"].startswith(f"{ROW['type']}-1763024408000-")
    assert made == item_of(id=None)
    assert made["metadata"]["_legacy"] == {"id": None}
    assert item_of(id=None, text="other")["id"] != made["id"]


def test_what_is_too_long_is_cut_and_kept() -> None:
    legacy = legacy_of(id="i" * 300, agent="a" * 257)
    assert legacy == {"id": "i" * 300, "agent": "a" * 257}
    assert len(item_of(id="i" * 300)["id"]) <= 256
    assert item_of(id="i" * 300)["id"] != item_of(id="i" * 301)["id"]


def test_further_columns_are_kept() -> None:
    legacy = legacy_of(confidence=0.5, tags=["a", None], blob=b"\0\xff", nothing=None)
    assert legacy == {"columns": {"confidence": 0.5, "tags": ["a", None], "blob": "00ff"}}


def test_equal_records_of_one_table_are_several_and_of_two_tables_the_same() -> None:
    records = Records()
    one, other = records.item(ROW), records.item(ROW)
    assert one["record"] != other["record"]
    again = Records()
    assert [again.item(ROW), again.item(ROW)] == [one, other]


def test_a_renamed_record_says_which_id_it_had() -> None:
    item = item_of(metadata="[]")
    other = renamed(item)
    assert other["id"].startswith(f"{ROW['id']}~")
    assert other["metadata"] == {"_legacy": {"id": ROW["id"], "metadata": "[]"}}
    assert renamed(item_of(id=None))["metadata"]["_legacy"] == {"id": None}


def test_only_the_record_that_the_old_tool_made_is_an_initialisation() -> None:
    assert is_initialisation(INITIALISATION, has_zero_vector=True)
    assert not is_initialisation(INITIALISATION, has_zero_vector=False)
    by_user = {**INITIALISATION, "session_id": "unknown"}
    assert not is_initialisation(by_user, has_zero_vector=True)
