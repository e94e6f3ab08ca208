"""Entries that replace others: hidden, pointing to the newest, and there when one looks back."""

import itertools
from typing import Any

import pytest

from entries import query_ids, store_all
from process import Daemon
from wire import RpcError

QUERY = "which database holds the orders"


def store(daemon: Daemon, project: str, text: str, **fields: object) -> dict[str, Any]:
    params = {"text": text, "project_id": project, "type": "decision"} | fields
    stored: dict[str, Any] = daemon.call("knowledge.store", params)
    return stored


def found(daemon: Daemon, project: str, **params: object) -> list[str]:
    asked = {"query": QUERY, "project_id": project} | params
    return [hit["id"] for hit in daemon.call("knowledge.search", asked)["results"]]


def entry(daemon: Daemon, entry_id: str) -> dict[str, Any]:
    (one,) = daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    assert isinstance(one, dict)
    return one


Chain = tuple[str, str, str]


@pytest.fixture
def chain(shared_daemon: Daemon, project: str) -> Chain:
    """Three decisions, each replacing the one before, months apart."""
    one = store(
        shared_daemon,
        project,
        "The database that holds the orders is PostgreSQL.",
        timestamp="2026-01-01T00:00:00Z",
    )["id"]
    two = store(
        shared_daemon,
        project,
        "Orders moved to CockroachDB.",
        timestamp="2026-03-01T00:00:00Z",
        supersedes=[one],
    )["id"]
    three = store(
        shared_daemon,
        project,
        "Orders are in Spanner now.",
        timestamp="2026-05-01T00:00:00Z",
        supersedes=[two],
    )["id"]
    return one, two, three


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_only_the_newest_is_found(
    shared_daemon: Daemon, project: str, chain: Chain, mode: str
) -> None:
    assert found(shared_daemon, project, mode=mode) == [chain[2]]
    assert query_ids(shared_daemon, project_id=project) == [chain[2]]


def test_all_point_to_the_newest(shared_daemon: Daemon, project: str, chain: Chain) -> None:
    one, two, three = chain
    assert entry(shared_daemon, one)["superseded_by"] == three
    assert entry(shared_daemon, two)["superseded_by"] == three
    assert entry(shared_daemon, three)["superseded_by"] is None
    asked = {"query": QUERY, "project_id": project, "include_superseded": True}
    hits = shared_daemon.call("knowledge.search", asked)["results"]
    assert {hit["id"]: hit["superseded_by"] for hit in hits} == {
        one: three,
        two: three,
        three: None,
    }
    page = shared_daemon.call(
        "knowledge.query", {"project_id": project, "include_superseded": True}
    )
    assert [(e["id"], e["superseded_by"]) for e in page["results"]] == [
        (three, None),
        (two, three),
        (one, three),
    ]


@pytest.mark.parametrize(
    ("until", "current"),
    [
        ("2026-02-01T00:00:00Z", 0),
        ("2026-02-28T23:59:59.999Z", 0),
        ("2026-03-01T00:00:00Z", 1),
        ("2026-04-01T00:00:00Z", 1),
        ("2026-06-01T00:00:00Z", 2),
    ],
)
def test_until_shows_what_was_current_then(
    shared_daemon: Daemon, project: str, chain: Chain, until: str, current: int
) -> None:
    assert found(shared_daemon, project, until=until) == [chain[current]]
    assert query_ids(shared_daemon, project_id=project, until=until) == [chain[current]]


def test_explain_names_what_a_hit_replaced(
    shared_daemon: Daemon, project: str, chain: Chain
) -> None:
    asked = {"query": QUERY, "project_id": project, "explain": True, "include_superseded": True}
    hits = shared_daemon.call("knowledge.search", asked)["results"]
    why = {hit["id"]: hit["explain"] for hit in hits}
    one, two, three = chain
    assert [why[i]["supersedes"] for i in chain] == [[], [one], [two]]
    assert [why[i]["superseded_by"] for i in chain] == [three, three, None]


def test_counts_include_what_is_hidden(shared_daemon: Daemon, project: str, chain: Chain) -> None:
    assert shared_daemon.call("knowledge.stats", {"project_id": project})["total_records"] == 3


def test_one_entry_may_replace_several(shared_daemon: Daemon, project: str) -> None:
    one, two = store_all(shared_daemon, project, {"text": "a cat"}, {"text": "a dog"})
    new = store(shared_daemon, project, "a bird", supersedes=[one, two])["id"]
    assert found(shared_daemon, project) == [new]


def test_an_item_of_a_batch_may_replace_an_earlier_one(shared_daemon: Daemon, project: str) -> None:
    first = f"{project}-first"
    _, new = store_all(
        shared_daemon,
        project,
        {"text": "a cat", "id": first},
        {"text": "a dog", "supersedes": [first]},
    )
    assert found(shared_daemon, project) == [new]
    assert entry(shared_daemon, first)["superseded_by"] == new


def test_an_unknown_id_stores_nothing(shared_daemon: Daemon, project: str) -> None:
    error = shared_daemon.refusal(
        "knowledge.store", {"text": "a", "project_id": project, "supersedes": ["nobody"]}
    )
    assert error.reason == "not_found"
    assert error.data["ids"] == ["nobody"]
    assert query_ids(shared_daemon, project_id=project) == []
    batch = shared_daemon.call(
        "knowledge.store_batch",
        {
            "items": [
                {"text": "a", "project_id": project, "supersedes": ["nobody"]},
                {"text": "b", "project_id": project},
            ]
        },
    )
    assert (batch["stored"], batch["failed"]) == (1, 1)
    assert batch["results"][0]["error"]["data"]["reason"] == "not_found"


def test_a_repeated_store_does_no_more(shared_daemon: Daemon, project: str) -> None:
    old = store(shared_daemon, project, "We use Yarn.")["id"]
    new = store(shared_daemon, project, "We use pnpm.", supersedes=[old])
    again = store(shared_daemon, project, "We use pnpm.", supersedes=[old])
    assert (again["id"], again["stored"]) == (new["id"], False)
    assert found(shared_daemon, project) == [new["id"]]


def test_a_text_that_is_there_can_still_replace(shared_daemon: Daemon, project: str) -> None:
    new, old = store_all(shared_daemon, project, {"text": "We use pnpm."}, {"text": "We use Yarn."})
    again = shared_daemon.call(
        "knowledge.store", {"text": "We use pnpm.", "project_id": project, "supersedes": [old]}
    )
    assert (again["id"], again["stored"]) == (new, False)
    assert found(shared_daemon, project) == [new]


def test_what_was_replaced_may_be_decided_again(shared_daemon: Daemon, project: str) -> None:
    """A hidden entry is no duplicate: nobody would ever see what was stored."""
    yarn = store(shared_daemon, project, "We use Yarn.")["id"]
    pnpm = store(shared_daemon, project, "We use pnpm.", supersedes=[yarn])["id"]
    back = store(shared_daemon, project, "We use Yarn.", supersedes=[pnpm])
    assert back["stored"]
    assert back["id"] != yarn
    assert found(shared_daemon, project) == [back["id"]]
    assert entry(shared_daemon, yarn)["superseded_by"] == back["id"]


def test_update_can_replace_and_never_brings_back(shared_daemon: Daemon, project: str) -> None:
    old, new = store_all(shared_daemon, project, {"text": "a cat"}, {"text": "a dog"})
    params = {"id": old, "superseded_by": new}
    assert shared_daemon.call("knowledge.update", params)["updated"]
    assert not shared_daemon.call("knowledge.update", params)["updated"]
    assert found(shared_daemon, project) == [new]
    shared_daemon.call("knowledge.update", {"id": old, "text": "a lion"})
    assert found(shared_daemon, project) == [new]
    assert entry(shared_daemon, old)["superseded_by"] == new


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_no_circle_can_be_made(shared_daemon: Daemon, project: str, turns: int) -> None:
    ids = store_all(shared_daemon, project, *({"text": f"text {n}"} for n in range(turns)))
    for old, new in itertools.pairwise(ids):
        shared_daemon.call("knowledge.update", {"id": old, "superseded_by": new})
    error = shared_daemon.refusal("knowledge.update", {"id": ids[-1], "superseded_by": ids[0]})
    assert error.reason == "conflict"
    assert found(shared_daemon, project) == [ids[-1]]


def test_repeating_a_store_of_what_was_replaced_makes_no_circle(
    shared_daemon: Daemon, project: str
) -> None:
    """By its id it is the entry that is there; it replaces nothing any more."""
    old = {"text": "We use Yarn.", "project_id": project, "id": f"{project}-old"}
    shared_daemon.call("knowledge.store", old)
    new = {"text": "We use pnpm.", "project_id": project, "id": f"{project}-new"}
    shared_daemon.call("knowledge.store", new | {"supersedes": [old["id"]]})
    again = shared_daemon.call("knowledge.store", old | {"supersedes": [new["id"]]})
    assert (again["id"], again["stored"]) == (old["id"], False)
    assert found(shared_daemon, project) == [new["id"]]
    assert entry(shared_daemon, old["id"])["superseded_by"] == new["id"]


def test_a_batch_makes_no_circle(shared_daemon: Daemon, project: str) -> None:
    one, two = f"{project}-one", f"{project}-two"
    store_all(
        shared_daemon,
        project,
        {"text": "a cat", "id": one},
        {"text": "a dog", "id": two, "supersedes": [one]},
        {"text": "a cat", "id": one, "supersedes": [two]},
    )
    assert found(shared_daemon, project) == [two]


def test_an_unknown_successor_is_refused(shared_daemon: Daemon, project: str) -> None:
    (entry_id,) = store_all(shared_daemon, project, {})
    error = shared_daemon.refusal("knowledge.update", {"id": entry_id, "superseded_by": "nobody"})
    assert error.reason == "not_found"
    assert found(shared_daemon, project) == [entry_id]


# Deleting


def test_without_its_successor_an_entry_is_current_again(
    shared_daemon: Daemon, project: str, chain: Chain
) -> None:
    one, two, three = chain
    shared_daemon.call("knowledge.delete", {"ids": [three]})
    assert found(shared_daemon, project) == [two]
    assert entry(shared_daemon, one)["superseded_by"] == two
    shared_daemon.call("knowledge.delete", {"ids": [two]})
    assert found(shared_daemon, project) == [one]


def test_the_middle_of_a_chain_may_go(shared_daemon: Daemon, project: str, chain: Chain) -> None:
    one, two, three = chain
    shared_daemon.call("knowledge.delete", {"ids": [two]})
    assert found(shared_daemon, project) == [three]
    assert entry(shared_daemon, one)["superseded_by"] == three


def test_a_whole_chain_may_go_at_once(shared_daemon: Daemon, project: str, chain: Chain) -> None:
    assert shared_daemon.call("knowledge.delete", {"ids": list(chain)})["deleted"] == 3
    assert query_ids(shared_daemon, project_id=project, include_superseded=True) == []


def test_a_filter_deletes_what_it_shows_and_nothing_that_this_brings_back(
    shared_daemon: Daemon, project: str, chain: Chain
) -> None:
    one, two, _ = chain
    params = {"project_id": project, "expect": 1}
    assert shared_daemon.call("knowledge.delete", params)["deleted"] == 1
    assert found(shared_daemon, project) == [two]
    assert query_ids(shared_daemon, project_id=project, include_superseded=True) == [two, one]


def test_cleanup_takes_what_is_hidden_too(
    shared_daemon: Daemon, project: str, chain: Chain
) -> None:
    params = {"project_id": project, "older_than_days": 0}
    assert shared_daemon.call("knowledge.cleanup", params)["count"] == 3


def test_what_is_hidden_stays_so_over_a_restart(daemon: Daemon) -> None:
    old = store(daemon, "p", "We use Yarn.")["id"]
    new = store(daemon, "p", "We use pnpm.", supersedes=[old])["id"]
    daemon.kill()
    again = Daemon(daemon.home).start().wait_ready()
    try:
        assert found(again, "p") == [new]
    finally:
        again.discard()


# Near-duplicates


def test_a_store_reports_what_it_nearly_repeats(shared_daemon: Daemon, project: str) -> None:
    old = store(shared_daemon, project, "We use PostgreSQL 14 for the orders database.")
    assert old["similar"] == []
    new = store(shared_daemon, project, "We use PostgreSQL 16 for the orders database.")
    (similar,) = new["similar"]
    assert (similar["id"], similar["timestamp"]) == (old["id"], old["timestamp"])
    assert 0.75 <= similar["similarity"] < 1


@pytest.mark.parametrize(
    "other",
    [
        {"type": "issue"},
        {"project_id": "another project"},
        {"text": "The parrot learned a new song."},
    ],
)
def test_another_project_type_or_matter_is_not_similar(
    shared_daemon: Daemon, project: str, other: dict[str, str]
) -> None:
    store(shared_daemon, project, "We use PostgreSQL 14 for the orders database.")
    text = "We use PostgreSQL 16 for the orders database."
    fields = {"text": text, "project_id": project, "type": "decision"} | other
    fields["project_id"] = fields["project_id"].replace("another", f"another {project}")
    assert shared_daemon.call("knowledge.store", fields)["similar"] == []


def test_what_is_replaced_with_the_store_or_was_is_not_reported(
    shared_daemon: Daemon, project: str
) -> None:
    text = "We use PostgreSQL {} for the orders database."
    one = store(shared_daemon, project, text.format(14))["id"]
    two = store(shared_daemon, project, text.format(15), supersedes=[one])
    assert two["similar"] == []
    three = store(shared_daemon, project, text.format(16))
    assert [similar["id"] for similar in three["similar"]] == [two["id"]]


def test_items_of_a_batch_report_what_was_there_before(shared_daemon: Daemon, project: str) -> None:
    text = "We use PostgreSQL {} for the orders database."
    old = store(shared_daemon, project, text.format(13))["id"]
    items = [{"text": text.format(n), "project_id": project, "type": "decision"} for n in (14, 15)]
    batch = shared_daemon.call("knowledge.store_batch", {"items": items})
    assert [[s["id"] for s in result["similar"]] for result in batch["results"]] == [[old]] * 2


def test_a_repeated_text_is_a_duplicate_and_not_similar(
    shared_daemon: Daemon, project: str
) -> None:
    old = store(shared_daemon, project, "We use PostgreSQL 14.")
    again = store(shared_daemon, project, "We use PostgreSQL 14.")
    assert (again["duplicate_of"], again["similar"]) == (old["id"], [])


def test_supersedes_is_checked(shared_daemon: Daemon, project: str) -> None:
    for wrong in ("an id", [1], [""]):
        error: RpcError = shared_daemon.refusal(
            "knowledge.store", {"text": "a", "project_id": project, "supersedes": wrong}
        )
        assert (error.reason, error.data["field"]) == ("invalid_params", "supersedes")
