"""kmctl scrub: afterwards no byte of the home holds what was found, and no row either."""

import asyncio
import json
import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.store.native import lance
from conftest import StartDaemon
from entries import listed
from older_store import write_as_version
from outcome import Kmctl
from process import Daemon

SEED = 20261127
N_SECRETS = 12


@pytest.fixture
def tokens() -> list[str]:
    source = random.Random(SEED)
    letters = string.ascii_letters + string.digits
    return ["ghp_" + "".join(source.choices(letters, k=36)) for _ in range(N_SECRETS)]


def migrated(daemon: Daemon, *records: dict[str, Any]) -> None:
    """Old records are stored as they are, whatever is in them."""
    items = [
        {
            "type": "general",
            "project_id": "old",
            "session_id": "s",
            "agent": "a",
            "timestamp": "2026-11-20T10:00:00Z",
            "record": f"{number}-{record['id']}",
            **record,
        }
        for number, record in enumerate(records)
    ]
    batch = daemon.call("knowledge.migrate", {"run": "m", "items": items})
    assert batch["failed"] == 0, batch


def planted(daemon: Daemon, tokens: list[str]) -> None:
    """Secrets in every field, in versions, deleted rows, backups, a log and a record of a job."""
    migrated(
        daemon,
        {"id": "e-text", "text": f"Push with {tokens[0]} as the token."},
        {"id": "e-long", "text": "word " * 900 + tokens[1]},
        {"id": "e-meta", "text": "Nothing here.", "metadata": {"deep": [{"key": tokens[2]}]}},
        {"id": "e-agent", "text": "Nor here.", "agent": tokens[3], "session_id": tokens[4]},
        {"id": "e-project", "text": "Or here.", "project_id": tokens[5]},
        {"id": "e-gone", "text": f"Deleted long ago: {tokens[6]}"},
        {"id": "e-cred", "text": f"Deploy token: {tokens[7]}", "type": "credential"},
        {"id": "e-word", "text": "DB_PASSWORD=swordfish\nWe met a swordfish."},
        {"id": "e-clean", "text": "The sky is blue over the harbour.", "metadata": {"n": 1.0}},
        {"id": "e-hash", "text": "Commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b fixed it."},
        *({"id": f"f-{n}", "text": f"Filler number {n}."} for n in range(60)),
    )
    job = daemon.call("system.backup")
    assert daemon.call("job.wait", {"id": job["id"]})["state"] == "done"
    daemon.call("knowledge.update", {"id": "e-text", "text": f"Now with {tokens[8]} as token."})
    daemon.call("knowledge.delete", {"ids": ["e-gone"]})
    job = daemon.call("system.optimize")
    assert daemon.call("job.wait", {"id": job["id"]})["state"] == "done"
    logs = daemon.home / "logs"
    logs.mkdir(mode=0o700)
    (logs / "knowledge.log.1").write_text(f'{{"line": "{tokens[0]}"}}\n')


def decoded(folder: Path) -> Iterator[str]:
    """Every row of every version of the table, as text."""

    async def rows() -> list[str]:
        connection = await lance.connect(str(folder), *[None] * 8)
        table = await connection.open_table("knowledge", *[None] * 4)
        found = []
        for version in await table.list_versions():
            await table.checkout(version["version"])
            async for batch in await table.query().execute(None, None):
                found += [str(row) for row in batch.drop_columns(["vector"]).to_pylist()]
        return found

    yield from asyncio.run(rows())


def bytes_with(home: Path, secrets: list[str]) -> list[tuple[Path, str]]:
    return [
        (file, secret)
        for file in sorted(home.rglob("*"))
        if file.is_file() and file.suffix != ".gguf"
        for secret in secrets
        if secret.encode() in file.read_bytes() or secret.lower().encode() in file.read_bytes()
    ]


def test_nothing_is_left_and_nothing_else_is_lost(daemon: Daemon, tokens: list[str]) -> None:
    planted(daemon, tokens)
    before = {entry["id"]: entry for entry in listed(daemon, limit=200)}
    kmctl = Kmctl(daemon.home)
    tried = kmctl("scrub", "--dry-run", "--json")
    assert tried.code == 1
    wanted = {f"e-{name}" for name in ("long", "meta", "agent", "project", "cred", "word")}
    assert set(json.loads(tried.out)["changed"]) == wanted
    assert {entry["id"]: entry for entry in listed(daemon, limit=200)} == before

    done = kmctl.json("scrub")
    assert done["left"] == []
    assert set(done["changed"]) == wanted
    assert [copy["rebuilt"] for copy in done["copies"]] == [True]
    assert [(each["path"], each["blotted"]) for each in done["files"]] == [
        ("logs/knowledge.log.1", True)
    ]
    assert not any(token in str(done) for token in tokens)

    after = {entry["id"]: entry for entry in listed(daemon, limit=200)}
    assert {i: e for i, e in after.items() if i not in wanted} == {
        i: e for i, e in before.items() if i not in wanted
    }
    assert after["e-text"]["text"] == "Now with [redacted: github token] as token."
    assert after["e-word"]["text"] == "DB_PASSWORD=[redacted: password]\nWe met a swordfish."
    assert after["e-cred"]["text"] == "Deploy token: [sealed]"
    assert daemon.call("knowledge.reveal", {"id": "e-cred"})["value"] == tokens[7]
    hits = daemon.call("knowledge.search", {"query": "sky harbour", "mode": "text"})
    assert [hit["id"] for hit in hits["results"]] == ["e-clean"]
    job = daemon.call("system.verify")
    verified = daemon.call("job.wait", {"id": job["id"]})["result"]
    assert (verified["problems"], verified["left_over_files"]) == ([], 0)
    assert daemon.stop() == 0
    assert bytes_with(daemon.home, tokens) == []
    (backup,) = (daemon.home / "backups").iterdir()
    for folder in (daemon.home / "knowledge", backup):
        rows = list(decoded(folder))
        assert len(rows) >= 60
        assert [token for token in tokens for row in rows if token in row] == []
    assert kmctl.json("backup", "--verify", backup.name)["rows"] == 71 - 1


def test_a_backup_of_an_older_schema_is_cleaned_too(
    home: Path, start_daemon: StartDaemon, tokens: list[str]
) -> None:
    before = start_daemon()
    migrated(before, {"id": "e-old", "text": f"Push with {tokens[0]}."})
    assert before.stop() == 0
    write_as_version(home / "knowledge", 2)
    daemon = start_daemon()
    assert [path.name.endswith("-upgrade") for path in (home / "backups").iterdir()] == [True]
    assert Kmctl(home).json("scrub")["left"] == []
    assert [path.name.endswith("-upgrade") for path in (home / "backups").iterdir()] == [True]
    assert daemon.stop() == 0
    assert bytes_with(home, tokens) == []


def test_what_cannot_be_cleaned_is_told(daemon: Daemon, tokens: list[str]) -> None:
    migrated(daemon, {"id": "e-1", "text": f"Push with {tokens[0]}."})
    (daemon.home / "notes.txt").write_text(tokens[0])
    (daemon.home / "backups" / "by-hand").mkdir(parents=True)
    (daemon.home / "backups" / "by-hand" / "x").write_bytes(b"x")
    (daemon.home / "quarantine").mkdir()
    (daemon.home / "quarantine" / "1.manifest").write_bytes(b"x")
    told = Kmctl(daemon.home)("scrub", "--json")
    assert told.code == 1
    left = {each["path"] for each in json.loads(told.out)["left"]}
    assert left == {"notes.txt", "quarantine", "backups/by-hand"}
    shown = Kmctl(daemon.home)("scrub")
    assert shown.out.endswith("Something is left.\n")


def test_a_clean_home_is_left_as_it_is(daemon: Daemon) -> None:
    daemon.call("knowledge.store", {"text": "The sky is blue."})
    kmctl = Kmctl(daemon.home)
    kmctl.json("backup")
    (backup,) = (daemon.home / "backups").iterdir()
    inode = backup.stat().st_ino
    told = kmctl("scrub")
    assert (told.code, told.out.splitlines()[-1]) == (0, "No secret was found.")
    assert [path.stat().st_ino for path in (daemon.home / "backups").iterdir()] == [inode]
