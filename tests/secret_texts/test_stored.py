"""No secret that is found reaches the disk, whichever way it comes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.secret_values import redacted
from conftest import StartDaemon
from entries import listed
from process import Daemon, wait_until
from secret_texts import labelled
from secret_texts.labelled import Positive
from wire import request

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
BATCH = 100


def planted() -> list[Positive]:
    """Those that the detector claims to find."""
    return [one for one in labelled.positives() if not one.is_readable_in(redacted(one.text)[0])]


@pytest.mark.timeout(300)
def test_no_planted_secret_is_readable_in_any_byte_of_the_home(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    secrets = planted()
    items: list[dict[str, Any]] = [
        {
            "text": one.text,
            "metadata": {"note": {"list": [one.text, 1.0]}, one.text: "a key"},
            "agent": "claude",
        }
        for one in secrets
    ]
    stored_at_once(daemon, [item | {"project_id": "stored"} for item in items])
    for begin in range(0, len(items), BATCH):
        batch = [item | {"project_id": "batch"} for item in items[begin : begin + BATCH]]
        answer = daemon.call("knowledge.store_batch", {"items": batch})
        assert answer["failed"] == 0, answer
    job = daemon.call(
        "knowledge.import", {"items": [item | {"project_id": "imported"} for item in items]}
    )
    done = daemon.call("job.wait", {"id": job["id"]})
    assert done["result"]["failed"] == 0
    assert done["result"]["redacted"] == len(items)
    target = daemon.call("knowledge.store", {"text": "to be changed", "project_id": "updated"})[
        "id"
    ]
    for item in items[::8]:
        told = daemon.call("knowledge.update", {"id": target, **item})
        assert told["redactions"]
    said = "\n\n".join(f"User: We decided to use this always: {one.text}" for one in secrets)
    daemon.call("session.pre_compaction", {"conversation": said, "project_id": "session"})

    stored = json.dumps(listed(daemon, limit=500), ensure_ascii=False)
    assert daemon.stop() == 0
    assert readable(stored, secrets) == []
    assert readable(bytes_of(daemon.home), secrets) == []
    assert readable(daemon.stderr, secrets) == []


def test_whoever_stores_learns_what_was_replaced(shared_daemon: Daemon, project: str) -> None:
    given = {
        "text": f"CI uses {TOKEN} and {TOKEN}",
        "project_id": project,
        "metadata": {"db": {"password": "swordfish", "port": 5432}, "n": 1e300, "list": [TOKEN]},
    }
    first = daemon_store(shared_daemon, given)
    assert first["redactions"] == [
        {"field": "text", "kind": "github token", "count": 2},
        {"field": "metadata.db.password", "kind": "password", "count": 1},
        {"field": "metadata.list", "kind": "github token", "count": 1},
    ]
    (entry,) = shared_daemon.call("knowledge.get", {"ids": [first["id"]]})["entries"]
    assert entry["text"] == "CI uses [redacted: github token] and [redacted: github token]"
    assert entry["metadata"] == {
        "db": {"password": "[redacted: password]", "port": 5432},
        "n": 1e300,
        "list": ["[redacted: github token]"],
    }
    again = daemon_store(shared_daemon, given)
    assert (again["id"], again["stored"]) == (first["id"], False)
    assert again["redactions"] == first["redactions"]
    hits = shared_daemon.call("knowledge.search", {"query": "CI token", "project_id": project})
    assert hits["results"][0]["id"] == first["id"]


def test_the_same_id_with_the_same_secret_is_no_conflict(
    shared_daemon: Daemon, project: str
) -> None:
    given = {"id": f"{project}-1", "text": f"deploy with {TOKEN}", "project_id": project}
    assert daemon_store(shared_daemon, given)["stored"] is True
    assert daemon_store(shared_daemon, given)["stored"] is False


def test_other_fields_are_looked_through_too(shared_daemon: Daemon, project: str) -> None:
    told = daemon_store(
        shared_daemon,
        {"text": "a note", "project_id": project, "session_id": TOKEN, "agent": f"bot {TOKEN}"},
    )
    assert {one["field"] for one in told["redactions"]} == {"session_id", "agent"}
    refused = shared_daemon.refusal("knowledge.store", {"text": "x", "id": f"a-{TOKEN}"})
    assert (refused.reason, refused.field) == ("invalid_params", "id")
    assert TOKEN not in refused.message


def test_names_may_look_random(shared_daemon: Daemon, project: str) -> None:
    entry_id = "0ujtsYcgvSTl8PAuAdqWYSMnLOv"
    stored = shared_daemon.call(
        "knowledge.store",
        {
            "text": "We keep ids of KSUID form.",
            "id": entry_id,
            "session_id": "3OyKB6OiEjkWnE2oZXSFujfD1eDflVZK",
            "metadata": {"session_id": "8aeada379474499a9fe0af55fa4c8a92"},
            "project_id": project,
        },
    )
    assert (stored["id"], stored["redactions"]) == (entry_id, [])


def test_an_update_is_looked_through(shared_daemon: Daemon, project: str) -> None:
    entry_id = daemon_store(shared_daemon, {"text": "plain", "project_id": project})["id"]
    changed = {"id": entry_id, "text": f"now {TOKEN}"}
    told = shared_daemon.call("knowledge.update", changed)
    assert told["updated"] is True
    assert told["redactions"] == [{"field": "text", "kind": "github token", "count": 1}]
    assert shared_daemon.call("knowledge.update", changed)["updated"] is False


def test_markers_that_make_it_too_large_are_refused(shared_daemon: Daemon, project: str) -> None:
    pairs = {f"password{number}": "Xy7!" for number in range(2800)}
    refused = shared_daemon.refusal(
        "knowledge.store", {"text": "many", "project_id": project, "metadata": pairs}
    )
    assert (refused.reason, refused.field) == ("invalid_params", "metadata")


def test_a_policy_a_type_and_a_reload(start_daemon: StartDaemon, home: Path) -> None:
    config = home / "knowledge.toml"
    config.write_text('[secrets]\npolicy = "allow"\nreject_types = ["decision"]\n')
    daemon = start_daemon()
    text = f"use {TOKEN}"
    kept = daemon_store(daemon, {"text": text})
    assert kept["redactions"] == []
    assert daemon.call("knowledge.get", {"ids": [kept["id"]]})["entries"][0]["text"] == text
    refused = daemon.refusal(
        "knowledge.store", {"text": "t", "type": "decision", "metadata": {"a": {"b": text}}}
    )
    assert (refused.reason, refused.field) == ("invalid_params", "metadata")
    assert "github token" in refused.message
    assert "metadata.a.b" in refused.message
    assert TOKEN not in json.dumps([refused.message, refused.data])
    batch = daemon.call(
        "knowledge.store_batch",
        {"items": [{"text": text, "type": "decision"}, {"text": "fine", "type": "decision"}]},
    )
    assert (batch["stored"], batch["failed"]) == (1, 1)

    config.write_text('[secrets]\nallow_types = ["issue"]\n')
    assert "secrets.policy" in daemon.call("system.reload")["applied"]
    assert daemon_store(daemon, {"text": text, "type": "pattern"})["redactions"]
    assert not daemon_store(daemon, {"text": text, "type": "issue"})["redactions"]


def test_items_that_wait_for_an_import_go_with_a_killed_daemon(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon()
    daemon.call("knowledge.import", {"items": [{"text": f"use {TOKEN}"}], "more": True})
    assert TOKEN in bytes_of(daemon.home)
    daemon.kill()
    again = start_daemon()
    wait_until(lambda: TOKEN not in bytes_of(again.home))


def stored_at_once(daemon: Daemon, items: list[dict[str, Any]]) -> None:
    """Each by a call of its own, without waiting for the one before."""
    with daemon.raw() as raw:
        for begin in range(0, len(items), BATCH):
            some = items[begin : begin + BATCH]
            for number, item in enumerate(some):
                raw.send_line(request("knowledge.store", item, number))
            answers = [raw.line() for _ in some]
            assert all(one["result"]["redactions"] for one in answers), answers


def daemon_store(daemon: Daemon, params: dict[str, Any]) -> Any:
    return daemon.call("knowledge.store", params)


def bytes_of(home: Path) -> str:
    """All files but the model, as one text; a byte is a character, and UTF-8 is decoded too."""
    files = [
        path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and "models" not in path.parts and not path.is_symlink()
    ]
    return "\n".join(data.decode("utf-8", "replace") for data in files)


def readable(text: str, secrets: list[Positive]) -> list[str]:
    """As it is, as JSON writes it, or as Base64 of its own."""
    return [
        one.kind
        for one in secrets
        if one.secret in text
        or json.dumps(one.secret)[1:-1] in text
        or base64.b64encode(one.secret.encode()).decode() in text
    ]
