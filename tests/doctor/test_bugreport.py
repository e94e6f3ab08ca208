"""kmctl bugreport packs nothing that tells what was stored, by whom, or where."""

import getpass
import gzip
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge import tokens
from cco_knowledge.store.schema import SCHEMA_VERSION
from conftest import StartDaemon
from doctor.conftest import Command
from kmctl.bugreport.privacy import privacy_of
from kmctl.daemon_log import FIELDS

MARK = "zzmark"
FILES = [
    "versions.json",
    "configuration.json",
    "doctor.json",
    "daemon.json",
    "statistics.json",
    "files.json",
    "log.json",
]


def unpacked(path: Path) -> dict[str, Any]:
    with tarfile.open(path) as tar:
        files = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar}
        return {name: json.load(file) for name, file in files.items() if file}


def assert_nothing_private(report: Path, home: Path) -> None:
    """Also in the headers of the archive."""
    data = gzip.decompress(report.read_bytes())
    private = [MARK, getpass.getuser(), platform.node(), str(home), str(Path.home())]
    assert [word for word in private if word.encode() in data] == []


def mark_everything(home: Path) -> None:
    """Every place that a user can put a name or a text into."""
    settings = (
        f'[knowledge]\nextra_types = ["{MARK}-type"]\n[socket]\npath = "{home}/{MARK}.sock"\n'
    )
    (home / "knowledge.toml").write_text(settings)
    (home / "knowledge.toml").chmod(0o600)
    (home / f"{MARK} own notes.txt").write_text(MARK)
    (home / "logs").mkdir(mode=0o700)
    lines = [
        {"ts": "2026-11-25T10:00:00Z", "logger": "aiohttp.x", "event": f"Error {MARK}"},
        {"logger": "cco_knowledge.x", "event": f"what it was is in {home}/x", "secret": MARK},
        {"logger": "cco_knowledge.x", "event": "call", "method": f"{MARK} {MARK}", "ms": MARK},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (home / "logs" / "knowledge.log").write_text(f"{text}cco-knowledged: no model {MARK}\n")


def test_nothing_private_is_in_it(
    command: Command,
    start_daemon: StartDaemon,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark_everything(home)
    daemon = start_daemon()
    daemon.socket_path = home / f"{MARK}.sock"
    for kind in ("decision", f"{MARK}-type"):
        entry = {"text": f"{MARK} {kind} text", "type": kind, "agent": f"{MARK}-agent"}
        more = {"project_id": f"{MARK}-project", "metadata": {f"{MARK}-key": MARK}}
        daemon.call("knowledge.store", entry | more | {"session_id": f"{MARK}-session"})
    _, secret = tokens.create(home / "api_token", role="admin", name=f"{MARK}-token")
    monkeypatch.setenv("CCO_KNOWLEDGE_TOKEN", secret)
    told = command("bugreport", str(tmp_path / f"{MARK}.tar.gz"))
    assert told.code == 0, told
    assert_nothing_private(tmp_path / f"{MARK}.tar.gz", home)
    parts = unpacked(tmp_path / f"{MARK}.tar.gz")
    assert list(parts) == FILES
    assert secret.split("_", 2)[2] not in json.dumps(parts)
    assert_useful(parts)


def test_refusals_do_not_tell_what_was_configured(
    command: Command, home: Path, tmp_path: Path
) -> None:
    mark_everything(home)
    report = tmp_path / "report.tar.gz"
    for settings in (f'[{MARK}]\nkey = "x"\n', f'[model]\nname = "{MARK}"\n', f"{MARK} ="):
        (home / "knowledge.toml").write_text(settings)
        assert command("bugreport", str(report)).code == 0
        assert_nothing_private(report, home)


def assert_useful(parts: dict[str, Any]) -> None:
    assert parts["statistics.json"]["total_records"] == 2
    assert parts["statistics.json"]["projects"] == [2]
    assert parts["statistics.json"]["other_types"] == [1]
    assert parts["statistics.json"]["schema_version"] == SCHEMA_VERSION
    assert parts["statistics.json"]["model"]["name"] == "all-MiniLM-L6-v2"
    assert parts["daemon.json"]["ready"] is True
    assert parts["files.json"]["knowledge.toml"]["mode"] == "-rw-------"
    assert parts["versions.json"]["packages"]["llama-cpp-python"]
    values = {setting["key"]: setting["value"] for setting in parts["configuration.json"]}
    assert values["knowledge.extra_types"] == "(1 values)"
    assert values["limits.drain_s"] == 30.0
    assert {check["name"] for check in parts["doctor.json"]} >= {"home", "model", "daemon"}
    assert all(set(line) <= set(FIELDS) for line in parts["log.json"])
    assert "what it was is in <home>/x" in {line["event"] for line in parts["log.json"]}


def test_it_is_made_without_a_daemon_and_only_for_its_user(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("bugreport", "--json").json
    path = tmp_path / result["file"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [part["name"] for part in result["packed"]] == FILES == list(unpacked(path))
    assert unpacked(path)["daemon.json"]["answers"] is False


def test_the_user_is_told_what_it_holds(command: Command, tmp_path: Path) -> None:
    told = command("bugreport", str(tmp_path / "report.tar.gz")).out
    assert all(name in told for name in FILES)
    assert "Nothing was sent. Look at it before you send it" in told


def test_other_paths_are_taken_out() -> None:
    privacy = privacy_of(Path("/srv/acme/.cco"), ["/srv/acme/my models/acme.gguf", "acme"])
    text = "/srv/acme/.cco/logs, /opt/x/y; /srv/acme/my models/acme.gguf (~/z) and acme: 1/2"
    assert privacy.scrub(text) == ("<home>/logs, <path>; <path> (<path>) and <private>: 1/2")
