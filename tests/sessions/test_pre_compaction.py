"""What `session.pre_compaction` stores of a conversation, and what it does not."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from cco_knowledge_client import KnowledgeClient
from process import Daemon

DECISION = (
    "We decided to keep the job queue in Postgres with SKIP LOCKED, because a broker would be one "
    "more thing to operate."
)
SETTING = (
    "The worker timeout is 45 seconds, set as WORKER_TIMEOUT_S in deploy/values.yaml, so that a "
    "hanging export never blocks the queue."
)
CHATTER = "User: good morning! can you have a look?\n\nAssistant: Sure, let me read the code first."


def capture(daemon: Daemon, project: str, conversation: str) -> Mapping[str, Any]:
    params = {"conversation": conversation, "project_id": project, "session_id": "s-1"}
    answer: dict[str, Any] = daemon.call("session.pre_compaction", params)
    assert answer["success"] is True
    assert answer["count"] == len(answer["ids"])
    return answer


def entries(daemon: Daemon, project: str) -> list[dict[str, Any]]:
    listing = {"project_id": project, "include_superseded": True, "limit": 1000}
    listed = daemon.call("knowledge.query", listing | {"descending": False})["results"]
    return [dict(entry) for entry in listed]


def test_what_is_worth_keeping_is_stored_word_for_word(shared_daemon: Daemon, project: str) -> None:
    said = f"{CHATTER}\n\nUser: {DECISION}\n\nAssistant: Okay. {SETTING}\n\nUser: thanks, bye!"
    answer = capture(shared_daemon, project, said)
    stored = entries(shared_daemon, project)
    assert [entry["id"] for entry in stored] == answer["ids"]
    assert [entry["text"] for entry in stored] == [DECISION, SETTING]
    assert [entry["type"] for entry in stored] == ["decision", "configuration"]
    assert {entry["session_id"] for entry in stored} == {"s-1"}
    assert {entry["agent"] for entry in stored} == {"unknown"}
    assert [entry["metadata"] for entry in stored] == [{"source": "pre_compaction"}] * 2


@pytest.mark.parametrize("said", [CHATTER, " ", "\0\x1b[31m\n\t", "```\n" * 50, "[]" * 500])
def test_nothing_worth_keeping_is_a_success(shared_daemon: Daemon, project: str, said: str) -> None:
    assert capture(shared_daemon, project, said)["count"] == 0


def test_the_same_conversation_again_stores_nothing(shared_daemon: Daemon, project: str) -> None:
    said = f"User: {DECISION}\n\nAssistant: {SETTING}"
    assert capture(shared_daemon, project, said)["count"] == 2
    assert capture(shared_daemon, project, said) == {"success": True, "count": 0, "ids": []}


def test_a_conversation_that_grew_stores_only_what_is_new(
    shared_daemon: Daemon, project: str
) -> None:
    capture(shared_daemon, project, f"User: {DECISION}")
    (new,) = capture(shared_daemon, project, f"User: {DECISION}\n\nAssistant: {SETTING}")["ids"]
    assert [entry["text"] for entry in entries(shared_daemon, project)] == [DECISION, SETTING]
    assert entries(shared_daemon, project)[-1]["id"] == new


def test_what_is_summed_up_is_not_stored_twice(shared_daemon: Daemon, project: str) -> None:
    recap = "To recap: the job queue stays in Postgres with SKIP LOCKED, there will be no broker."
    assert capture(shared_daemon, project, f"User: {DECISION}\n\nUser: {recap}")["count"] == 1


def test_another_number_is_another_fact(shared_daemon: Daemon, project: str) -> None:
    other = SETTING.replace("45", "90").replace("WORKER", "IMPORT")
    assert capture(shared_daemon, project, f"User: {SETTING}\n\nUser: {other}")["count"] == 2


def test_what_changes_a_stored_decision_replaces_it(shared_daemon: Daemon, project: str) -> None:
    old = {"text": "Session data is kept in Redis with a TTL of one hour.", "type": "decision"}
    old_id = shared_daemon.call("knowledge.store", old | {"project_id": project})["id"]
    other = {"text": "Uploads are kept in the S3 bucket shop-uploads.", "type": "decision"}
    other_id = shared_daemon.call("knowledge.store", other | {"project_id": project})["id"]
    change = (
        "We move the session data from Redis to Postgres, because Redis lost the sessions of all "
        "users at each restart; the TTL stays one hour."
    )
    (new_id,) = capture(shared_daemon, project, f"User: {change}")["ids"]
    found = {e["id"]: e["superseded_by"] for e in entries(shared_daemon, project)}
    assert found == {old_id: new_id, other_id: None, new_id: None}


def test_what_is_taken_back_later_in_the_conversation_is_replaced(
    shared_daemon: Daemon, project: str
) -> None:
    first = (
        "Decision: internal services call the ledger over gRPC instead of REST, because clients "
        "are generated from the proto files."
    )
    then = (
        "I take it back: the services call the ledger over REST after all, gRPC is off the table "
        "until the HTTP/1.1 proxy is replaced."
    )
    old, new = capture(shared_daemon, project, f"User: {first}\n\nUser: {then}")["ids"]
    superseded = {e["id"]: e["superseded_by"] for e in entries(shared_daemon, project)}
    assert superseded == {old: new, new: None}
    again = capture(shared_daemon, project, f"User: {first}\n\nUser: {then}")
    assert again["count"] == 0, "what was taken back does not come back"


def test_another_project_is_left_alone(shared_daemon: Daemon, project: str) -> None:
    other = f"{project}-other"
    old = {"text": "Session data is kept in Redis.", "type": "decision", "project_id": other}
    shared_daemon.call("knowledge.store", old)
    change = "We move the session data from Redis to Postgres, because Redis lost it at restarts."
    capture(shared_daemon, project, f"User: {change}\n\nUser: {DECISION}")
    assert [e["superseded_by"] for e in entries(shared_daemon, other)] == [None]
    assert capture(shared_daemon, other, f"User: {DECISION}")["count"] == 1


SECRETS = {
    "password": "hunter2-Trombone",
    "url": "S3cr3tPw0rd",
    "github": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "bearer": "8f3a9c2e7d1b4f60a5c8e2d9b7f1a3c4",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "block": "MIIEpAIBAAKCAQEA7vJ5aQ2n6bq1mJ",
}


def test_no_secret_is_ever_stored(shared_daemon: Daemon, project: str) -> None:
    key_block = (
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRETS['block']}\n-----END RSA PRIVATE KEY-----"
    )
    said = f"""
User: We decided that the admin password is {SECRETS["password"]} until Friday, because the
identity provider isn't connected yet.

User: All services read postgres://app:{SECRETS["url"]}@db.internal:5432/shop from DATABASE_URL in
deploy/values.yaml, never from code.

User: CI always clones with {SECRETS["github"]} set as GIT_TOKEN, because the submodules are
private repositories.

User: Every call must send Authorization: Bearer {SECRETS["bearer"]} since the gateway rejects
anonymous requests.

User: We use {SECRETS["stripe"]} for payments in production, and never in tests, because each
charge costs money.

User: The deploy key is this one, every machine must have it:
{key_block}

User: {SECRETS["password"]} must be rotated every 90 days by each team, as a rule.
"""
    assert capture(shared_daemon, project, said)["count"] >= 4
    stored = json.dumps(entries(shared_daemon, project))
    assert [name for name, value in SECRETS.items() if value in stored] == []
    assert "[redacted: " in stored


def test_where_credentials_are_kept_is_a_credential(shared_daemon: Daemon, project: str) -> None:
    said = (
        "User: The signing key of the mobile app is kept in 1Password, vault Mobile, and only the "
        "release job reads it."
    )
    capture(shared_daemon, project, said)
    assert [entry["type"] for entry in entries(shared_daemon, project)] == ["credential"]


@pytest.mark.timeout(300)
def test_two_megabytes_are_read_while_others_search(shared_daemon: Daemon, project: str) -> None:
    filler = "Assistant: Let me look at the next file.\n\n```\n" + "x = 1\n" * 40 + "```\n\n"
    said = filler * (2_000_000 // len(filler)) + f"User: {DECISION}\n\nAssistant: {SETTING}\n"
    assert len(said) > 1_900_000
    begun = time.monotonic()
    assert capture(shared_daemon, project, said)["count"] == 2
    assert time.monotonic() - begun < 60


def test_the_client_gives_typed_results(shared_daemon: Daemon, project: str) -> None:
    with KnowledgeClient(shared_daemon.socket_path) as knowledge:
        kept = knowledge.pre_compaction(f"User: {DECISION}", project_id=project, session_id="s")
        started = knowledge.session_start("s", project_id=project)
        gone_on = knowledge.post_compaction("how is the job queue kept?", project_id=project)
    assert (kept.success, kept.count) == (True, 1)
    assert [entry.id for entry in started.recent_knowledge] == list(kept.ids)
    assert [hit.id for hit in gone_on.search_results] == list(kept.ids)
    assert gone_on.summary.by_type == {"decision": 1}


def test_a_conversation_is_required(shared_daemon: Daemon) -> None:
    refusal = shared_daemon.refusal("session.pre_compaction", {"project_id": "p"})
    assert (refusal.reason, refusal.field) == ("invalid_params", "conversation")
