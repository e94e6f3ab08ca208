"""Search by meaning alone: order, numbers, filters, long texts, against an exact computation."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from entries import store_all
from process import Daemon

Vector = Sequence[float]


def search(daemon: Daemon, query: str, **params: object) -> list[dict[str, Any]]:
    found = daemon.call("knowledge.search", {"query": query, "mode": "vector"} | params)
    assert found["count"] == len(found["results"])
    assert found["query_time_ms"] >= 0
    results: list[dict[str, Any]] = found["results"]
    return results


def embed(daemon: Daemon, texts: Sequence[str], kind: str = "document") -> list[Vector]:
    vectors: list[Vector] = []
    for first in range(0, len(texts), 256):
        part = list(texts[first : first + 256])
        vectors += daemon.call("embedding.embed", {"texts": part, "kind": kind})["vectors"]
    return vectors


def cosine(one: Vector, other: Vector) -> float:
    return (
        sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)
    )


# Meaning


@pytest.mark.parametrize(
    ("query", "right", "wrong"),
    [
        (
            "Which database did we pick?",
            "PostgreSQL holds all of our tables.",
            "Which apples did the farmers pick?",
        ),
        (
            "how to sign in",
            "Users authenticate with a password and a one-time code.",
            "The sign in front of the house is green.",
        ),
        (
            "The app is too slow when it boots",
            "Startup latency was reduced by importing lazily.",
            "Leather boots are slow to dry.",
        ),
    ],
)
def test_meaning_beats_words(
    shared_daemon: Daemon, project: str, query: str, right: str, wrong: str
) -> None:
    store_all(shared_daemon, project, {"text": wrong}, {"text": right})
    hits = search(shared_daemon, query, project_id=project)
    assert [hit["text"] for hit in hits] == [right, wrong]


def test_a_hit_is_the_whole_entry_with_score_and_similarity(
    shared_daemon: Daemon, project: str
) -> None:
    (entry_id,) = store_all(
        shared_daemon, project, {"text": "All of it.", "metadata": {"a": [1]}, "type": "issue"}
    )
    (hit,) = search(shared_daemon, "All of it.", project_id=project)
    (entry,) = shared_daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    added = {name: hit[name] for name in ("score", "similarity", "passage")}
    assert hit == entry | added
    assert hit["passage"] is None
    assert hit["similarity"] == pytest.approx(1, abs=1e-4)


# Numbers

WORDS = [
    *["database", "index", "vector", "query", "cache", "socket", "thread", "memory", "commit"],
    *["branch", "merge", "test", "deploy", "cluster", "token", "secret", "key", "login", "user"],
    *["page", "button", "colour", "font", "river", "mountain", "cat", "dog", "bread", "coffee"],
    *["music", "piano", "train", "bicycle", "weather", "rain", "winter", "garden", "tree"],
]


def texts_by_chance(count: int) -> list[str]:
    chance = random.Random(7)
    return [
        f"{n} " + " ".join(chance.choices(WORDS, k=chance.randint(4, 12))) for n in range(count)
    ]


@pytest.fixture(scope="module")
def corpus(session_daemon: Daemon) -> tuple[str, dict[str, Vector]]:
    """A project of 300 entries, and its vectors by id."""
    project, texts = "corpus by chance", texts_by_chance(300)
    ids = store_all(session_daemon, project, *({"text": text} for text in texts))
    return project, dict(zip(ids, embed(session_daemon, texts), strict=True))


QUERIES = ("slow database query", "a cat in the garden", "log in with a token", "winter rain")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [1, 10, 100])
def test_search_finds_what_brute_force_finds(
    shared_daemon: Daemon, corpus: tuple[str, dict[str, Vector]], query: str, limit: int
) -> None:
    project, vectors = corpus
    (asked,) = embed(shared_daemon, [query], "query")
    exact = {entry_id: cosine(asked, vector) for entry_id, vector in vectors.items()}
    hits = search(shared_daemon, query, project_id=project, limit=limit)
    best = sorted(exact.values(), reverse=True)
    assert len({hit["id"] for hit in hits}) == limit
    for hit, similarity in zip(hits, best[:limit], strict=True):
        assert hit["similarity"] == pytest.approx(exact[hit["id"]], abs=1e-4)
        assert hit["similarity"] == pytest.approx(similarity, abs=1e-4)


@pytest.mark.parametrize("query", QUERIES)
def test_score_is_in_order_and_between_0_and_1(
    shared_daemon: Daemon, corpus: tuple[str, dict[str, Vector]], query: str
) -> None:
    hits = search(shared_daemon, query, project_id=corpus[0], limit=100)
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_a_threshold_cuts_by_similarity(
    shared_daemon: Daemon, corpus: tuple[str, dict[str, Vector]]
) -> None:
    project, _ = corpus
    every = search(shared_daemon, QUERIES[0], project_id=project, limit=100)
    threshold = every[20]["similarity"]
    some = search(
        shared_daemon, QUERIES[0], project_id=project, limit=100, threshold=threshold - 1e-6
    )
    assert [hit["id"] for hit in some] == [hit["id"] for hit in every[: len(some)]]
    assert len(some) >= 21
    assert all(hit["similarity"] >= threshold - 1e-5 for hit in some)
    assert search(shared_daemon, QUERIES[0], project_id=project, threshold=1) == []


def test_the_default_limit_is_ten(
    shared_daemon: Daemon, corpus: tuple[str, dict[str, Vector]]
) -> None:
    assert len(search(shared_daemon, QUERIES[0], project_id=corpus[0])) == 10


def test_the_same_search_twice_brings_the_same(
    shared_daemon: Daemon, corpus: tuple[str, dict[str, Vector]]
) -> None:
    one, two = (search(shared_daemon, QUERIES[1], project_id=corpus[0]) for _ in range(2))
    assert one == two


# Filters


def test_filters_select_before_ranking(shared_daemon: Daemon, project: str) -> None:
    """The few entries of a small project are found although hundreds elsewhere are nearer."""
    near = [{"text": f"How to tune the database cache, part {n}"} for n in range(300)]
    far = [{"text": f"A {animal} sleeps.", "agent": animal} for animal in ("cat", "dog", "owl")]
    store_all(shared_daemon, f"{project} large", *near)
    ids = store_all(shared_daemon, project, *far)
    query = "tune the database cache"
    assert {h["id"] for h in search(shared_daemon, query, project_id=project)} == set(ids)
    both = [project, f"{project} large"]
    (hit,) = search(shared_daemon, query, project_id=both, agent="owl", limit=1)
    assert hit["id"] == ids[2]


def test_every_filter_holds_in_search(shared_daemon: Daemon, project: str) -> None:
    fields = {
        "type": "issue",
        "agent": "a",
        "session_id": "s",
        "timestamp": "2026-05-05T05:05:05.005Z",
        "metadata": {"k": "v"},
    }
    ids = store_all(shared_daemon, project, fields, {})
    for asked in (
        {"type": "issue"},
        {"agent": ["a", "b"]},
        {"session_id": "s"},
        {"until": "2026-05-05T05:05:05.005Z"},
        {"metadata": {"k": "v"}},
    ):
        hits = search(shared_daemon, "text", project_id=project, **asked)
        assert [hit["id"] for hit in hits] == ids[:1], asked
    (hit,) = search(shared_daemon, "text", project_id=project, since="2026-05-05T05:05:05.006Z")
    assert hit["id"] == ids[1]


# Long texts


def long_text(odd: str, at: float) -> str:
    """10,000 words about nothing much, with one sentence that stands out."""
    sentence = "The meeting went on and people talked about the usual plans for the week. "
    filler = (sentence * 800).split()[:10_000]
    place = int(len(filler) * at)
    return " ".join([*filler[:place], odd, *filler[place:]])


@pytest.mark.parametrize("at", [0.3, 0.97])
def test_a_long_text_is_found_by_one_sentence_and_shown_once_and_whole(
    shared_daemon: Daemon, project: str, at: float
) -> None:
    text = long_text("The submarine cable to Iceland is repaired with titanium clamps.", at)
    others = [{"text": f"The bakery sells {cake} cake."} for cake in ("apple", "plum", "carrot")]
    (entry_id, *_) = store_all(shared_daemon, project, {"text": text}, *others)
    query = "Who repairs the submarine cable to Iceland?"
    hits = search(shared_daemon, query, project_id=project)
    assert len({hit["id"] for hit in hits}) == len(hits) == 4
    assert (hits[0]["id"], hits[0]["text"]) == (entry_id, text)
    (first,) = search(shared_daemon, query, project_id=project, limit=1, threshold=0.2)
    assert first == hits[0]


def test_a_long_text_without_white_space_is_stored(shared_daemon: Daemon, project: str) -> None:
    text = "".join(f"a{n}" for n in range(1000))
    (entry_id,) = store_all(shared_daemon, project, {"text": text})
    (hit,) = search(shared_daemon, "a1a2a3", project_id=project)
    assert (hit["id"], hit["text"]) == (entry_id, text)


def test_a_long_query_is_answered(shared_daemon: Daemon, project: str) -> None:
    (entry_id,) = store_all(shared_daemon, project, {"text": "A meeting about plans."})
    (hit,) = search(shared_daemon, long_text("", 0)[:6_000], project_id=project)
    assert hit["id"] == entry_id


# embedding.embed


def test_vectors_are_normalised_and_repeatable(shared_daemon: Daemon) -> None:
    texts = ["one", "two", "one", "drei \U0001f600"]
    embedded = shared_daemon.call("embedding.embed", {"texts": texts})
    assert (embedded["dim"], embedded["model"]) == (384, "all-MiniLM-L6-v2")
    vectors = embedded["vectors"]
    assert [len(vector) for vector in vectors] == [384] * 4
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors)
    assert vectors[0] == vectors[2] != vectors[1]


def test_a_special_token_in_a_text_is_only_text(shared_daemon: Daemon) -> None:
    plain, special = embed(shared_daemon, ["the cat sat", "[CLS] the cat sat [SEP]"])
    assert plain != special
