"""The labels fit the conversations they belong to (README.md says what they mean)."""

import json
import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

FILES = sorted(Path(__file__).parent.glob("*.json"))
TYPES = {
    "decision",
    "architecture",
    "implementation",
    "configuration",
    "credential",
    "issue",
    "pattern",
}
FIELDS = {"name", "project", "stored", "conversation", "expected", "secrets", "chatter"}
ITEM_FIELDS = {"key", "type", "also_types", "must_contain", "supersedes", "repeats"}
PASSAGE_CHARS = 600
LONG_WORDS = 4_000

Conversation = dict[str, Any]


def _read(path: Path) -> Conversation:
    loaded: Conversation = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def path(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture
def labelled(path: Path) -> Conversation:
    return _read(path)


@pytest.mark.parametrize("part", ["dev", "test"])
def test_each_part_has_eight_conversations_and_a_long_one(part: str) -> None:
    texts = [_read(path)["conversation"] for path in FILES if path.name.startswith(f"{part}-")]
    assert len(texts) >= 8
    assert any(len(text.split()) >= LONG_WORDS for text in texts)


def test_ten_conversations_or_more_hold_secrets() -> None:
    assert sum(bool(_read(path)["secrets"]) for path in FILES) >= 10


def test_a_conversation_has_every_field_and_enough_labels(
    path: Path, labelled: Conversation
) -> None:
    assert labelled.keys() == FIELDS
    assert labelled["name"] == path.stem
    assert labelled["project"]
    assert len(labelled["stored"]) <= 4
    assert len(labelled["conversation"].split()) >= 600
    assert len(labelled["chatter"]) >= 15
    first_statements = [item for item in labelled["expected"] if item["repeats"] is None]
    assert 5 <= len(first_statements) <= 16


def test_keys_are_unique_and_links_name_known_keys(labelled: Conversation) -> None:
    stored = [entry["key"] for entry in labelled["stored"]]
    expected = [item["key"] for item in labelled["expected"]]
    assert len(set(stored + expected)) == len(stored) + len(expected)
    earlier = set(stored)
    for item in labelled["expected"]:
        assert item["supersedes"] in earlier | {None}, item["key"]
        assert item["repeats"] in (earlier - set(stored)) | {None}, item["key"]
        earlier.add(item["key"])


def test_types_are_those_of_entries(labelled: Conversation) -> None:
    for entry in labelled["stored"]:
        assert entry["type"] in TYPES, entry["key"]
    for item in labelled["expected"]:
        assert item.keys() == ITEM_FIELDS, item["key"]
        assert {item["type"], *item["also_types"]} <= TYPES, item["key"]
        assert item["type"] not in item["also_types"], item["key"]


def test_what_an_item_must_contain_occurs_in_one_passage(labelled: Conversation) -> None:
    text = labelled["conversation"].lower()
    for item in labelled["expected"]:
        assert 2 <= len(item["must_contain"]) <= 4, item["key"]
        assert _shortest_passage(text, item["must_contain"]) <= PASSAGE_CHARS, item["key"]


def test_chatter_and_secrets_occur_word_for_word(labelled: Conversation) -> None:
    text = labelled["conversation"]
    for phrase in labelled["chatter"]:
        assert phrase in text
        assert 5 <= len(phrase.split()) <= 12, phrase
    assert [secret for secret in labelled["secrets"] if secret not in text] == []


def test_no_label_asks_to_keep_a_secret_or_chatter(labelled: Conversation) -> None:
    for item, wanted in _wanted(labelled["expected"]):
        assert not any(secret in wanted for secret in labelled["secrets"]), item
        assert not any(wanted in phrase for phrase in labelled["chatter"]), item


def test_no_secret_is_spelled_out_in_the_file(path: Path, labelled: Conversation) -> None:
    raw = path.read_text(encoding="utf-8")
    assert [secret for secret in labelled["secrets"] if secret in raw] == []


def _wanted(expected: Iterable[Conversation]) -> Iterable[tuple[str, str]]:
    return ((item["key"], text) for item in expected for text in item["must_contain"])


def _shortest_passage(text: str, wanted: list[str]) -> float:
    """In characters; infinite when a text does not occur."""
    spans = [
        [match.span() for match in re.finditer(re.escape(part.lower()), text)] for part in wanted
    ]
    lengths = (
        max(end for _, end in choice) - min(start for start, _ in choice)
        for choice in product(*spans)
    )
    return min(lengths, default=float("inf"))
