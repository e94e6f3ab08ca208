"""What is found of the labelled set, and how long looking for it takes."""

import json
import random
import time

import pytest

from cco_knowledge import secret_values
from secret_texts import generate, labelled

LEAST_RECALL = 0.95
MOST_FALSE_ALARMS = 0.01
LONG_TEXT_CHARACTERS = 64 << 10
PIECES = (
    "a",
    "aA1",
    "-eyJ",
    "-eyJaaaaaaaaa.",
    "SG.-",
    "password=",
    'password="',
    "password for x is ",
    "key value ",
    "token=aB3dE5fG7hJ9kL2mN4 ",
    "http://a:",
    "a://b:c@d ",
    "user x / ",
    "a:1:b:",
    " -p a1",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----",
    "[redacted: a",
    "ssh-a  ",
    "/",
    "-",
    " ",
    "\n",
)


@pytest.mark.parametrize("half", ["dev", "test"])
def test_secrets_are_found_and_little_else(half: str) -> None:
    with_secret = [one for one in labelled.positives() if one.half == half]
    without = [one["text"] for one in labelled.negatives() if one["half"] == half]
    missed = [one.text for one in with_secret if one.is_readable_in(clean(one.text))]
    alarms = [text for text in without if clean(text) != text]
    assert len(missed) <= (1 - LEAST_RECALL) * len(with_secret), missed
    assert len(alarms) <= MOST_FALSE_ALARMS * len(without), alarms


def test_the_set_is_as_large_as_it_has_to_be() -> None:
    made = labelled.positives()
    assert len(made) >= 200
    assert len({one.kind for one in made}) >= 20
    assert len(labelled.negatives()) >= 400
    planned = [json.loads(json.dumps(one)) for one in generate.positives()]
    assert ["".join(one["secret"]) for one in planned] == [one.secret for one in made]


def test_what_was_redacted_stays_as_it_is() -> None:
    changed = [
        cleaned for one in labelled.positives() if clean(cleaned := clean(one.text)) != cleaned
    ]
    assert changed == []


def test_places_are_those_of_the_values() -> None:
    text = "token=ghp_" + "a1B2" * 9 + " and password: hunter2-Trombone."
    assert [text[s.start : s.end] for s in secret_values.found(text)] == [
        "ghp_" + "a1B2" * 9,
        "hunter2-Trombone",
    ]


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """Texts made to mislead: eight times the length may not take 64 times as long."""
    short_s, long_s = (seconds_for(piece, LONG_TEXT_CHARACTERS // part) for part in (8, 1))
    assert long_s < 32 * max(short_s, 0.002), (short_s, long_s)


def test_many_different_secrets_are_looked_for_in_linear_time() -> None:
    rng = random.Random(7)
    text = " ".join(f"password={rng.randbytes(9).hex()}Xy" for _ in range(8000))
    assert clean(text).count("[redacted: password]") == 8000


def clean(text: str) -> str:
    return secret_values.redacted(text)[0]


def seconds_for(piece: str, n_characters: int) -> float:
    """The better of two tries: others use the machine too."""
    text = (piece * (n_characters // len(piece) + 1))[:n_characters]
    took = []
    for _ in range(2):
        begun = time.process_time()
        clean(text)
        took.append(time.process_time() - begun)
    return min(took)
