"""A store that an older version wrote is opened, complete, and kept as it was."""

from pathlib import Path
from typing import Any

from conftest import StartDaemon
from entries import listed, store_all
from older_store import NEW_IN_2, NEW_IN_3, NEW_IN_4, count_and_columns, write_as_version
from process import refused_start

FACT = "The submarine cable to Iceland is repaired with titanium clamps of type QX-77."
LONG = "The meeting went on and people talked about the usual plans for the week. " * 60 + FACT


def test_a_store_of_schema_1_is_upgraded_and_kept(home: Path, start_daemon: StartDaemon) -> None:
    before = start_daemon()
    items: list[dict[str, Any]] = [
        {"text": "The worker dies with ECONNREFUSED."},
        {"text": LONG, "metadata": {"a": 1}},
    ]
    refused, long = store_all(before, "p", *items)
    entries = listed(before, limit=100)
    before.stop()
    write_as_version(home / "knowledge", 1)

    after = start_daemon()
    assert "upgraded from schema version 1 to 4" in after.stderr
    assert listed(after, limit=100) == entries
    for query, entry_id in (("ECONNREFUSED", refused), ("QX-77", long)):
        hits = after.call("knowledge.search", {"query": query, "mode": "text"})["results"]
        assert [hit["id"] for hit in hits] == [entry_id]
    (hit,) = after.call("knowledge.search", {"query": FACT, "limit": 1})["results"]
    assert FACT in hit["passage"]
    newer = after.call("knowledge.store", {"text": "It does not.", "supersedes": [refused]})
    assert {entry["id"] for entry in listed(after, limit=100)} == {long, newer["id"]}
    after.stop()

    (backup,) = (home / "backups").iterdir()
    n_rows, columns = count_and_columns(backup)
    assert n_rows == 2
    assert not set(columns) & (NEW_IN_2 | NEW_IN_3 | NEW_IN_4)
    assert "upgraded" not in start_daemon().stderr


def test_a_store_of_schema_2_keeps_what_replaces_what(
    home: Path, start_daemon: StartDaemon
) -> None:
    before = start_daemon()
    (old,) = store_all(before, "p", {"text": "Deploys happen on Friday."})
    before.call("knowledge.store", {"text": "Deploys happen on Monday.", "supersedes": [old]})
    entries = listed(before, limit=100, include_superseded=True)
    before.stop()
    write_as_version(home / "knowledge", 2)

    after = start_daemon()
    assert "upgraded from schema version 2 to 4" in after.stderr
    assert listed(after, limit=100, include_superseded=True) == entries


def test_a_store_of_schema_3_keeps_its_credentials(home: Path, start_daemon: StartDaemon) -> None:
    """In the open, as they were: what seals them is kmctl scrub."""
    before = start_daemon()
    store_all(before, "p", {"text": "The PIN is 4711.", "type": "general"})
    entries = listed(before, limit=100)
    before.stop()
    write_as_version(home / "knowledge", 3)

    after = start_daemon()
    assert "upgraded from schema version 3 to 4" in after.stderr
    assert listed(after, limit=100) == entries
    assert after.call("knowledge.store", {"text": "PIN: 4711", "type": "credential"})["sealed"]
    assert after.call("system.status")["credential_key"] == "ready"


def test_a_store_of_a_newer_version_is_refused_and_left_alone(
    home: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon()
    store_all(daemon, "p", {})
    daemon.stop()
    write_as_version(home / "knowledge", 5)
    assert "schema version 5" in refused_start(home)
    assert count_and_columns(home / "knowledge")[0] == 1
    assert not (home / "backups").exists()
