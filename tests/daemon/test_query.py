"""Listing in pages, and the filters of all methods."""

import threading

import pytest

from entries import listed, query_ids, store_all
from process import Daemon

ORDERS = ("timestamp", "id", "type", "project_id", "session_id", "agent")


# Listing


def test_a_query_lists_newest_first(shared_daemon: Daemon, project: str) -> None:
    times = [f"2026-01-01T00:00:0{second}.000Z" for second in (3, 1, 2)]
    store_all(shared_daemon, project, *({"timestamp": time} for time in times))
    found = shared_daemon.call("knowledge.query", {"project_id": project})
    assert [e["timestamp"] for e in found["results"]] == sorted(times, reverse=True)
    assert (found["total"], found["next_cursor"]) == (3, None)


def test_limit_cuts_the_page_and_not_the_total(shared_daemon: Daemon, project: str) -> None:
    store_all(shared_daemon, project, *[{}] * 5)
    found = shared_daemon.call("knowledge.query", {"project_id": project, "limit": 2})
    assert (len(found["results"]), found["total"]) == (2, 5)
    assert found["next_cursor"]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("order_by", ORDERS)
def test_pages_are_complete_and_ordered(
    shared_daemon: Daemon, project: str, order_by: str, descending: bool
) -> None:
    items = [
        {
            "id": f"{project}-{order_by}-{descending}-{n * 7 % 23:02}",
            "type": ("issue", "decision", "pattern")[n % 3],
            "session_id": ("", "it's", "Z", "\u00e9", "\U0001f600")[n % 5],
            "agent": ("a", "B", "b'")[n % 3],
            "timestamp": f"2026-01-01T00:00:00.00{n % 4}Z",
        }
        for n in range(23)
    ]
    store_all(shared_daemon, project, *items)
    found = listed(
        shared_daemon, project_id=project, order_by=order_by, descending=descending, limit=4
    )
    keys = [(entry[order_by].encode(), entry["id"].encode()) for entry in found]
    assert len(set(keys)) == len(items)
    assert keys == sorted(keys, reverse=descending)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("order_by", ["timestamp", "agent"])
def test_pages_are_stable_while_others_store_and_delete(
    shared_daemon: Daemon, project: str, order_by: str, descending: bool
) -> None:
    keep = [{"text": f"keep {n}", "agent": f"agent {n % 3}"} for n in range(60)]
    goes = [{"text": f"goes {n}", "agent": f"agent {n % 3}"} for n in range(30)]
    surviving = set(store_all(shared_daemon, project, *keep))
    doomed = iter(store_all(shared_daemon, project, *goes))
    end = threading.Event()
    changes = 0

    def disturb() -> None:
        nonlocal changes
        while not end.is_set():
            store_all(shared_daemon, project, {"text": f"new {changes}", "agent": "agent 1"})
            for entry_id in (i for i in [next(doomed, None)] if i):
                shared_daemon.call("knowledge.delete", {"ids": [entry_id]})
            changes += 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        found = listed(
            shared_daemon, project_id=project, order_by=order_by, descending=descending, limit=5
        )
    finally:
        end.set()
        disturber.join()
    ids = [entry["id"] for entry in found]
    keys = [(entry[order_by], entry["id"]) for entry in found]
    assert changes
    assert len(ids) == len(set(ids))
    assert surviving <= set(ids)
    assert keys == sorted(keys, reverse=descending)


@pytest.mark.parametrize(
    "cursor", ["x", "!", "AAAA", "e30=", "bnVsbA==", "\u00e9", "'; DROP TABLE", "eyJhIjoxfQ=="]
)
def test_a_made_up_cursor_is_refused(shared_daemon: Daemon, cursor: str) -> None:
    error = shared_daemon.refusal("knowledge.query", {"cursor": cursor})
    assert (error.code, error.field) == (-32602, "cursor")


def test_a_cursor_of_another_order_is_refused(shared_daemon: Daemon, project: str) -> None:
    store_all(shared_daemon, project, {}, {})
    page = shared_daemon.call("knowledge.query", {"project_id": project, "limit": 1})
    again = {"project_id": project, "cursor": page["next_cursor"]}
    assert shared_daemon.call("knowledge.query", again)["results"]
    for other in ({"order_by": "id"}, {"descending": False}):
        assert shared_daemon.refusal("knowledge.query", again | other).field == "cursor"


# Filters


def test_each_field_filters_by_one_or_several_values(shared_daemon: Daemon, project: str) -> None:
    values = {"type": ("issue", "decision", "pattern")} | {
        name: (f"{name} 1", f"{name} 2", f"{name} 3") for name in ("agent", "session_id")
    }
    items = [{name: choices[n] for name, choices in values.items()} for n in range(3)]
    ids = store_all(shared_daemon, project, *items)
    for name, choices in values.items():
        one = query_ids(shared_daemon, project_id=project, **{name: choices[1]})
        several = query_ids(shared_daemon, project_id=project, **{name: list(choices[:2])})
        assert one == [ids[1]], name
        assert set(several) == set(ids[:2]), name


def test_projects_filter_by_one_or_several_values(shared_daemon: Daemon, project: str) -> None:
    (one,) = store_all(shared_daemon, f"{project} a", {})
    (two,) = store_all(shared_daemon, f"{project} b", {})
    store_all(shared_daemon, f"{project} c", {})
    assert query_ids(shared_daemon, project_id=f"{project} a") == [one]
    both = query_ids(shared_daemon, project_id=[f"{project} a", f"{project} b"])
    assert set(both) == {one, two}


def test_filters_hold_together(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(
        shared_daemon,
        project,
        {"type": "issue", "agent": "a"},
        {"type": "issue", "agent": "b"},
        {"type": "pattern", "agent": "a"},
    )
    assert query_ids(shared_daemon, project_id=project, type="issue", agent="a") == ids[:1]


@pytest.mark.parametrize("name", ["project_id", "type", "agent", "session_id"])
@pytest.mark.parametrize("empty", [[], [""]])
def test_a_list_without_values_never_means_everything(
    shared_daemon: Daemon, project: str, name: str, empty: list[str]
) -> None:
    store_all(shared_daemon, project, {})
    with shared_daemon.raw() as raw:
        raw.send_line(
            {"jsonrpc": "2.0", "id": 1, "method": "knowledge.query", "params": {name: empty}}
        )
        response = raw.line()
    if "result" in response:
        assert response["result"]["total"] == 0
    else:
        assert response["error"]["data"]["field"] == name


def test_since_and_until_include_their_edges(shared_daemon: Daemon, project: str) -> None:
    times = [f"2026-03-01T12:00:00.{ms}Z" for ms in ("000", "001", "002")]
    ids = store_all(shared_daemon, project, *({"timestamp": time} for time in times))

    def matching(**bounds: str) -> set[str]:
        return set(query_ids(shared_daemon, project_id=project, **bounds))

    assert matching(since=times[1]) == set(ids[1:])
    assert matching(until=times[1]) == set(ids[:2])
    assert matching(since=times[1], until=times[1]) == {ids[1]}
    assert matching(since=times[2], until=times[0]) == set()
    assert matching(since="2026-03-01T13:00:00.001+01:00") == set(ids[1:])
    assert matching(since="2026-03-01T12:00:00.000001Z") == set(ids[1:])
    assert matching(until="2026-03-01T12:00:00.001999Z") == set(ids[:2])


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "extreme",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z"],
)
def test_extreme_times_filter(shared_daemon: Daemon, project: str, name: str, extreme: str) -> None:
    store_all(shared_daemon, project, {})
    expected = 1 if (name == "since") == extreme.startswith("0001") else 0
    assert len(query_ids(shared_daemon, project_id=project, **{name: extreme})) == expected


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (1, 1.0),
        (1.0, 1),
        (1000, 1e3),
        (0, -0.0),
        (2**60, float(2**60)),
        (10**20, 1e20),
        ("text", "text"),
        ("it's", "it's"),
        (None, None),
        (True, True),
        ([], []),
        ([1, [2.0]], [1.0, [2]]),
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 2.0}, "a": 1}),
        (2**70, 2**70),
    ],
)
def test_metadata_filters_by_equality(
    shared_daemon: Daemon, project: str, stored: object, asked: object
) -> None:
    (entry_id,) = store_all(shared_daemon, project, {"metadata": {"key": stored, "more": 1}})
    found = query_ids(shared_daemon, project_id=project, metadata={"key": asked})
    assert found == [entry_id]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (1, True),
        (0, False),
        (1, "1"),
        ("", None),
        ([1, 2], [2, 1]),
        ([1], 1),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("Text", "text"),
        (2**53, 2**53 + 1),
        (2**70, 2**70 + 1),
    ],
)
def test_metadata_that_differs_does_not_match(
    shared_daemon: Daemon, project: str, stored: object, asked: object
) -> None:
    store_all(shared_daemon, project, {"metadata": {"key": stored}}, {"metadata": {"kez": asked}})
    assert query_ids(shared_daemon, project_id=project, metadata={"key": asked}) == []


def test_every_metadata_key_has_to_match(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(
        shared_daemon,
        project,
        {"metadata": {"a": 1, "b": 2, "c": 3}},
        {"metadata": {"a": 1}},
        {"metadata": {"b": 2}},
    )
    assert query_ids(shared_daemon, project_id=project, metadata={"a": 1, "b": 2}) == ids[:1]


HOSTILE = [
    "' OR 1=1 --",
    "' OR '1'='1",
    "'; DROP TABLE knowledge; --",
    "''",
    "'",
    '"',
    "`id`",
    "\\'",
    "\\",
    "%",
    "_",
    ")",
    "$1",
    "?",
    "{}",
    "NULL",
    "X'00'",
    "/*",
    "\u2019",
    "\u02bc OR true",
]


@pytest.mark.parametrize("name", ["project_id", "agent", "session_id", "type"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_filter_value_is_a_value_and_nothing_else(
    shared_daemon: Daemon, project: str, name: str, hostile: str
) -> None:
    value = hostile if name == "type" else f"{project}{hostile}"
    before = shared_daemon.call("knowledge.stats")["total_records"]
    if name == "type":
        assert query_ids(shared_daemon, type=[value]) == []
        return
    (entry_id,) = store_all(shared_daemon, project, {name: value, "text": f"hostile {name}"})
    assert query_ids(shared_daemon, **{name: value}) == [entry_id]
    assert query_ids(shared_daemon, **{name: [value, f"{value} other"]}) == [entry_id]
    search = {"query": "hostile", name: value}
    assert shared_daemon.call("knowledge.search", search)["count"] == 1
    assert shared_daemon.call("knowledge.delete", {name: value, "expect": 1})["deleted"] == 1
    assert shared_daemon.call("knowledge.stats")["total_records"] == before


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_ids_and_metadata_are_values(
    shared_daemon: Daemon, project: str, hostile: str
) -> None:
    entry_id = f"{project}{hostile}"
    store_all(
        shared_daemon, project, {"id": entry_id, "metadata": {hostile: hostile}}, {"text": "x"}
    )
    assert query_ids(shared_daemon, project_id=project, metadata={hostile: hostile}) == [entry_id]
    update = {"id": entry_id, "agent": hostile}
    assert shared_daemon.call("knowledge.update", update)["updated"]
    assert shared_daemon.call("knowledge.delete", {"ids": [entry_id]}) == {"deleted": 1}
    assert len(query_ids(shared_daemon, project_id=project)) == 1
