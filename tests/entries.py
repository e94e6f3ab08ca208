"""Storing and listing entries in few words, for tests."""

from typing import Any

from process import Daemon


def store_all(daemon: Daemon, project: str, *items: dict[str, Any]) -> list[str]:
    """The ids, in order; texts are made up where none is given."""
    complete = [
        {"text": f"text {number}", "project_id": project} | item
        for number, item in enumerate(items)
    ]
    batch = daemon.call("knowledge.store_batch", {"items": complete})
    assert batch["failed"] == 0, batch
    return [result["id"] for result in batch["results"]]


def query_ids(daemon: Daemon, **params: object) -> list[str]:
    found = daemon.call("knowledge.query", {"limit": 1000} | params)
    assert found["total"] == len(found["results"])
    return [entry["id"] for entry in found["results"]]


def listed(daemon: Daemon, **params: object) -> list[dict[str, Any]]:
    """All entries of a listing, page by page of `limit`."""
    entries: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = daemon.call("knowledge.query", params | {"cursor": cursor})
        entries += page["results"]
        cursor = page["next_cursor"]
        if cursor is None:
            return entries
        assert len(page["results"]) == params["limit"]
