"""Search by words, and by meaning and words together: on a real daemon, before and after an
index has caught up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entries import query_ids, store_all
from process import Daemon, wait_until

Found = dict[str, Any]

NOTES = {
    "refused": "The worker dies with ECONNREFUSED because Redis starts after it.",
    "token": "Refresh tokens are checked in src/auth/token.py before the session is read.",
    "snake": "The delay between attempts is retry_backoff_ms, 200 by default.",
    "camel": "parseGeoJson swaps latitude and longitude for old exports.",
    "version": "The memory leak was fixed in v2.4.1 of the driver.",
    "flag": "Nobody may commit with --no-verify, the hook checks secrets.",
    "rust": "E0502 in the loop goes away when the guard is dropped first.",
    "accent": "Le café de l'équipe est fermé à cause d'une fuite.",
    "russian": "Ошибка подключения возникает после смены пароля базы.",
    "chinese": "网关断电以后会丢失尚未写入的数据。",
    "plain": "Customers are billed on the first of the month, in euros.",
}
ASKED = {
    "refused": "ECONNREFUSED",
    "token": "src/auth/token.py",
    "snake": "retryBackoffMs",
    "camel": "geo json",
    "version": "2.4.1",
    "flag": "--no-verify",
    "rust": "error[E0502]",
    "accent": "equipe cafe",
    "russian": "ошибки подключений",
    "chinese": "丢失数据",
    "plain": "billing of a customer",
}


def search(daemon: Daemon, query: str, **params: object) -> Found:
    found: Found = daemon.call("knowledge.search", {"query": query} | params)
    return found


def ids(found: Found) -> list[str]:
    return [hit["id"] for hit in found["results"]]


@pytest.fixture(scope="module")
def notes(session_daemon: Daemon) -> dict[str, str]:
    """The ids of the notes, in a project that also holds 60 others."""
    others = [{"text": f"An ordinary note about the plans of week {n}."} for n in range(60)]
    items = [{"text": text} for text in NOTES.values()]
    stored = store_all(session_daemon, "hybrid notes", *others, *items)
    return dict(zip(NOTES, stored[60:], strict=True))


@pytest.mark.parametrize("mode", ["text", "hybrid"])
@pytest.mark.parametrize("name", ASKED)
def test_a_word_of_any_kind_finds_its_entry(
    shared_daemon: Daemon, notes: dict[str, str], name: str, mode: str
) -> None:
    found = search(shared_daemon, ASKED[name], project_id="hybrid notes", mode=mode)
    assert ids(found)[0] == notes[name]
    assert found["covered"]


def test_hybrid_is_the_default(shared_daemon: Daemon, notes: dict[str, str]) -> None:
    by_default = search(shared_daemon, "ECONNREFUSED", project_id="hybrid notes")
    hybrid = search(shared_daemon, "ECONNREFUSED", project_id="hybrid notes", mode="hybrid")
    assert by_default["results"] == hybrid["results"]
    assert ids(by_default)[0] == notes["refused"]


def test_hybrid_also_finds_by_meaning(shared_daemon: Daemon, notes: dict[str, str]) -> None:
    found = search(shared_daemon, "when do people have to pay?", project_id="hybrid notes")
    assert ids(found)[0] == notes["plain"]


def test_text_mode_finds_only_what_holds_a_word(
    shared_daemon: Daemon, notes: dict[str, str]
) -> None:
    found = search(shared_daemon, "ECONNREFUSED", project_id="hybrid notes", mode="text")
    assert ids(found) == [notes["refused"]]
    nothing = search(shared_daemon, "xylophone", project_id="hybrid notes", mode="text")
    assert (nothing["results"], nothing["covered"]) == ([], False)


def test_a_query_of_function_words_is_answered(
    shared_daemon: Daemon, notes: dict[str, str]
) -> None:
    assert len(search(shared_daemon, "what is it?", project_id="hybrid notes")["results"]) == 10
    text = search(shared_daemon, "what is it?", project_id="hybrid notes", mode="text")
    assert text["results"] == []


@pytest.mark.parametrize("mode", ["vector", "text", "hybrid"])
def test_scores_are_the_order_and_lie_between_0_and_1(
    shared_daemon: Daemon, notes: dict[str, str], mode: str
) -> None:
    asked = "ordinary plans of the week"
    found = search(shared_daemon, asked, project_id="hybrid notes", mode=mode, limit=100)
    scores = [hit["score"] for hit in found["results"]]
    assert len(scores) >= 60
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    again = search(shared_daemon, asked, project_id="hybrid notes", mode=mode, limit=100)
    assert again["results"] == found["results"]


@pytest.mark.parametrize("mode", ["text", "hybrid"])
def test_every_hit_has_its_cosine_and_the_threshold_is_one(
    shared_daemon: Daemon, notes: dict[str, str], mode: str
) -> None:
    asked = "ordinary ECONNREFUSED"
    by_meaning = search(shared_daemon, asked, project_id="hybrid notes", mode="vector", limit=100)
    cosines = {hit["id"]: hit["similarity"] for hit in by_meaning["results"]}
    found = search(shared_daemon, asked, project_id="hybrid notes", mode=mode, limit=100)
    for hit in found["results"]:
        assert hit["similarity"] == pytest.approx(cosines[hit["id"]], abs=1e-5)
    floor = sorted(cosines.values())[-5]
    kept = search(
        shared_daemon, asked, project_id="hybrid notes", mode=mode, limit=100, threshold=floor
    )
    wanted = [i for i in ids(found) if cosines[i] >= floor]
    assert ids(kept) == wanted


@settings(max_examples=60)
@given(query=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_query_is_answered(shared_daemon: Daemon, notes: dict[str, str], query: str) -> None:
    asked = query.replace("\0", " ")
    for mode in ("text", "hybrid"):
        search(shared_daemon, asked, project_id="hybrid notes", mode=mode)


def test_a_query_of_thousands_of_words_is_answered(
    shared_daemon: Daemon, notes: dict[str, str]
) -> None:
    query = "ECONNREFUSED " + " ".join(f"word{n}" for n in range(2000))
    found = search(shared_daemon, query, project_id="hybrid notes", mode="text")
    assert ids(found)[0] == notes["refused"]


def test_what_words_find_in_a_late_passage_has_the_cosine_of_that_passage(
    shared_daemon: Daemon, project: str
) -> None:
    filler = "The meeting went on and people talked about the usual plans for the week. " * 60
    fact = "The submarine cable to Iceland is repaired with titanium clamps of type QX-77."
    store_all(shared_daemon, project, {"text": filler + fact}, {"text": "A short note."})
    asked = "QX-77 clamps for the cable to Iceland"

    def first(mode: str, **params: object) -> Found:
        found = search(shared_daemon, asked, project_id=project, mode=mode, **params)
        hit: Found = found["results"][0]
        return hit

    exact = first("vector")["similarity"]
    for params in ({}, {"threshold": exact - 0.01}):
        assert first("text", **params)["similarity"] == pytest.approx(exact, abs=1e-5)
        assert first("hybrid", **params)["similarity"] == pytest.approx(exact, abs=1e-5)


# As the store changes


def test_new_entries_are_found_by_both_ways_at_once_and_deleted_ones_never(
    daemon: Daemon,
) -> None:
    for turn in range(5):
        (entry_id,) = store_all(daemon, "p", {"text": f"Only turn{turn}x says gyroscope."})
        for mode in ("text", "hybrid"):
            assert ids(search(daemon, f"turn{turn}x", mode=mode))[0] == entry_id
        assert entry_id in ids(search(daemon, "gyroscope", mode="vector"))
        if turn % 2:
            daemon.call("knowledge.delete", {"ids": [entry_id]})
            for mode in ("text", "hybrid", "vector"):
                assert entry_id not in ids(search(daemon, f"turn{turn}x gyroscope", mode=mode))


def test_an_updated_text_is_found_by_its_new_words_only(daemon: Daemon) -> None:
    (entry_id,) = store_all(daemon, "p", {"text": "The gyroscope is broken."})
    daemon.call("knowledge.update", {"id": entry_id, "text": "The barometer is broken."})
    assert ids(search(daemon, "gyroscope", mode="text")) == []
    assert ids(search(daemon, "barometer", mode="text")) == [entry_id]


def test_an_index_that_caught_up_finds_the_same(daemon: Daemon) -> None:
    """2,000 rows make the daemon fold them into its indexes; nothing may come or go by that.

    They are of a thousand projects, so that a filter selects two or three of them.
    """
    texts = [f"note{n} about widget{n % 7} and gadget{n % 11}" for n in range(2100)]
    items = [{"text": text, "project_id": f"p{n % 1000}"} for n, text in enumerate(texts)]
    for first in range(0, len(items), 700):
        store_all(daemon, "", *items[first : first + 700])

    def found(**params: object) -> list[tuple[str, float]]:
        hits = search(daemon, "widget3 gadget5", limit=100, **params)["results"]
        return [(hit["text"], round(hit["score"], 4)) for hit in hits]

    def of_one_project(mode: str) -> set[str]:
        return {text for text, _ in found(mode=mode, project_id="p3")}

    before = found(mode="text")
    assert len(before) == 100
    for mode in ("vector", "hybrid", "text"):
        assert of_one_project(mode) == {texts[3], texts[1003], texts[2003]}
    wait_until(lambda: daemon.call("knowledge.stats")["storage"]["unindexed_rows"] == 0, limit_s=60)
    assert {score for _, score in found(mode="text")} == {score for _, score in before}
    for mode in ("vector", "hybrid", "text"):
        assert of_one_project(mode) == {texts[3], texts[1003], texts[2003]}
    (gone,) = query_ids(daemon, project_id="p5", until="9999-01-01T00:00:00Z")[:1]
    daemon.call("knowledge.delete", {"ids": [gone]})
    assert gone not in ids(search(daemon, "note5 widget5", project_id="p5"))
    daemon.stop()
    restarted = Daemon(daemon.home).start().wait_ready()
    try:
        hits = search(restarted, "note7", mode="text")["results"]
        assert hits[0]["text"] == texts[7]
    finally:
        restarted.discard()


# Filters, against brute force

TYPES = ("decision", "issue", "pattern")
AGENTS = ("claude", "codex")
WORDS = ("cache", "queue", "index", "token", "socket", "thread")


def combination(n: int) -> dict[str, Any]:
    return {
        "text": f"{n} {WORDS[n % 6]} {WORDS[n // 6 % 6]} {WORDS[n // 36 % 6]}",
        "type": TYPES[n % 3],
        "agent": AGENTS[n % 2],
        "session_id": f"s{n % 50}",
        "timestamp": f"2026-0{n % 9 + 1}-01T00:00:00.000Z",
        "metadata": {"k": n % 4},
    }


@pytest.fixture(scope="module")
def combined(session_daemon: Daemon) -> dict[str, dict[str, Any]]:
    """300 entries by id, over projects of very different sizes."""
    entries: dict[str, dict[str, Any]] = {}
    for n in range(300):
        project = "c large" if n % 10 else f"c small {n % 30}"
        (entry_id,) = store_all(session_daemon, project, combination(n) | {"id": f"combined-{n}"})
        entries[entry_id] = combination(n) | {"project_id": project}
    return entries


FILTERS = st.fixed_dictionaries(
    {"project_id": st.sampled_from([["c large"], ["c small 0", "c small 20"], "c small 10"])},
    optional={
        "type": st.sampled_from([*TYPES, list(TYPES[:2])]),
        "agent": st.sampled_from(AGENTS),
        "session_id": st.sampled_from(["s0", "s7", ["s3", "s10", "s20"]]),
        "since": st.sampled_from(["2026-03-01T00:00:00Z", "2026-08-01T00:00:00Z"]),
        "until": st.sampled_from(["2026-05-01T00:00:00Z", "2026-09-30T00:00:00Z"]),
        "metadata": st.sampled_from([{"k": 1}, {"k": 3}]),
    },
)


def passes(entry: dict[str, Any], filters: dict[str, Any]) -> bool:
    def one_of(name: str) -> bool:
        asked = filters.get(name)
        return asked is None or entry[name] in (asked if isinstance(asked, list) else [asked])

    moment = entry["timestamp"][:10]
    return (
        all(map(one_of, ("project_id", "type", "agent", "session_id")))
        and moment >= filters.get("since", "")[:10]
        and moment <= filters.get("until", "9")[:10]
        and all(
            entry["metadata"][key] == value for key, value in filters.get("metadata", {}).items()
        )
    )


@settings(max_examples=60)
@given(filters=FILTERS, words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
def test_filters_select_before_ranking_in_every_mode(
    shared_daemon: Daemon,
    combined: dict[str, dict[str, Any]],
    filters: dict[str, Any],
    words: list[str],
) -> None:
    matching = {entry_id for entry_id, entry in combined.items() if passes(entry, filters)}
    holding = {i for i in matching if set(combined[i]["text"].split()) & set(words)}
    query = " ".join(words)

    def found(mode: str, limit: int = 100) -> list[str]:
        return ids(search(shared_daemon, query, mode=mode, limit=limit, **filters))

    assert set(found("text")) == holding if len(holding) <= 100 else set(found("text")) < holding
    for mode in ("vector", "hybrid"):
        every = found(mode)
        assert len(every) == len(set(every)) == min(len(matching), 100)
        assert set(every) <= matching
        assert found(mode, 3)[:3] == every[:3] or mode == "hybrid"


# Why


def test_explain_tells_where_a_hit_stood(shared_daemon: Daemon, notes: dict[str, str]) -> None:
    found = search(shared_daemon, "ECONNREFUSED", project_id="hybrid notes", explain=True, limit=20)
    first = found["results"][0]["explain"]
    assert first["text"]["rank"] == 1
    assert first["text"]["score"] > 0
    assert first["text"]["scaled"] == 1
    for hit in found["results"]:
        why = hit["explain"]
        assert hit["score"] == pytest.approx(why["fusion"] + why["recency"])
        assert (why["superseded_by"], why["supersedes"]) == (None, [])
    by_meaning = [hit["explain"]["vector"] for hit in found["results"]]
    assert min(place["rank"] for place in by_meaning if place) == 1
    silent = search(shared_daemon, "ECONNREFUSED", project_id="hybrid notes")
    assert "explain" not in silent["results"][0]


@pytest.mark.parametrize(("mode", "absent"), [("vector", "text"), ("text", "vector")])
def test_explain_of_a_single_list(
    shared_daemon: Daemon, notes: dict[str, str], mode: str, absent: str
) -> None:
    found = search(
        shared_daemon, "ECONNREFUSED", project_id="hybrid notes", mode=mode, explain=True
    )
    why = found["results"][0]["explain"]
    assert why[absent] is None
    assert why["fusion"] is None
    assert [hit["explain"][mode]["rank"] for hit in found["results"]] == list(
        range(1, len(found["results"]) + 1)
    )
