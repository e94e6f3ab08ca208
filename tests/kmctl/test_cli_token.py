"""kmctl token: works on the file, with a daemon or without."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from other_user import NOBODY, as_root
from outcome import Kmctl
from process import Daemon, refused_start


@pytest.fixture
def home_path() -> Path:
    """As `_own_home` of this folder sets it."""
    return Path(os.environ["CCO_HOME"])


def created(command: Any, *arguments: str) -> dict[str, Any]:
    outcome = command("token", "create", "--json", *arguments)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    made: dict[str, Any] = outcome.json
    return made


def test_it_needs_no_daemon_and_shows_a_token_once(command: Any, home_path: Path) -> None:
    made = created(command, "--role", "writer", "--project", "shop", "--project", "web")
    assert made["token"].startswith(f"cco_{made['id']}_")
    assert (made["name"], made["projects"]) == (made["id"], ["shop", "web"])
    assert "digest" not in made
    listed = command("token", "list", "--json")
    assert listed.json["tokens"] == [{n: v for n, v in made.items() if n != "token"}]
    assert made["token"] not in command("token", "list").out
    assert home_path.stat().st_mode & 0o777 == 0o700


def test_a_person_is_told_to_keep_it(command: Any) -> None:
    outcome = command("token", "create", "--role", "reader", "--expires-in-days", "0.5")
    assert outcome.code == 0
    assert "Keep it" in outcome.err
    assert "cco_" in outcome.out


def test_rotate_and_revoke(command: Any) -> None:
    made = created(command, "--role", "admin", "--name", "ops")
    rotated = command("token", "rotate", "ops", "--json").json
    assert rotated["id"] == made["id"]
    assert rotated["token"] != made["token"]
    assert command("token", "revoke", made["id"]).out == "ops is revoked.\n"
    assert command("token", "list").out == "No tokens.\n"
    for action in ("rotate", "revoke"):
        outcome = command("token", action, "ops", "--json")
        assert (outcome.code, outcome.error["reason"]) == (5, "not_found")


def test_a_name_is_taken_once(command: Any) -> None:
    created(command, "--role", "reader", "--name", "ops")
    outcome = command("token", "create", "--role", "reader", "--name", "ops")
    assert outcome.code == 6


def test_a_damaged_file_is_left_alone(command: Any, home_path: Path) -> None:
    created(command, "--role", "reader")
    (home_path / "api_token").write_text("{}\n")
    for arguments in (("create", "--role", "reader"), ("list",), ("revoke", "x")):
        outcome = command("token", *arguments)
        assert outcome.code == 1
        assert "api_token is damaged" in outcome.err
    assert (home_path / "api_token").read_text() == "{}\n"


def test_commands_use_the_token_of_the_environment(shared_daemon: Daemon) -> None:
    own = Kmctl(shared_daemon.home)
    try:
        secret = own.json("token", "create", "--role", "reader", "--project", "shop")["token"]
        limited = Kmctl(shared_daemon.home, {"CCO_KNOWLEDGE_TOKEN": secret})
        assert limited.json("stats")["storage"] is None
        assert limited("store", "x", "--project", "shop").code == 4
        assert limited("metrics").code == 4
        assert limited("status").code == 0
        assert limited("stats").code == 0
        report = json.loads(limited("doctor", "--json").out)
        states = {check["name"]: check["what"] for check in report["checks"]}
        assert states["tokens"] == "1 tokens let somebody in."
        assert "limited to projects" in states["memory"]
        wrong = Kmctl(shared_daemon.home, {"CCO_KNOWLEDGE_TOKEN": "cco_wrong"})
        assert wrong("stats").code == 4
    finally:
        (shared_daemon.home / "api_token").unlink()


@as_root
def test_export_does_not_follow_a_link_of_another_user(
    shared_daemon: Daemon, tmp_path: Path
) -> None:
    precious, planted = tmp_path / "precious", tmp_path / "export.jsonl"
    precious.write_text("precious")
    planted.symlink_to(precious)
    os.chown(planted, NOBODY, NOBODY, follow_symlinks=False)
    outcome = Kmctl(shared_daemon.home)("export", str(planted))
    assert outcome.code == 2
    assert "link of another user" in outcome.err
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("command", [("bugreport",), ("metrics", "--textfile")], ids=" ".join)
def test_what_is_written_takes_the_place_of_a_link(
    shared_daemon: Daemon, tmp_path: Path, command: tuple[str, ...]
) -> None:
    precious, planted = tmp_path / "precious", tmp_path / "planted"
    precious.write_text("precious")
    planted.symlink_to(precious)
    outcome = Kmctl(shared_daemon.home)(*command, str(planted))
    assert outcome.code == 0, outcome
    assert precious.read_text() == "precious"
    assert not planted.is_symlink()


@as_root
@pytest.mark.parametrize("name", ["jobs", "backups", "knowledge", "logs", "logs/knowledge.log"])
def test_a_link_that_another_user_made_in_the_home_is_refused(home: Path, name: str) -> None:
    elsewhere = home / "models"
    path = home / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.symlink_to(elsewhere)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    message = refused_start(home)
    assert f"rm {path}" in message


@pytest.mark.parametrize(
    "wrong", [("--name", "two words"), ("--name", ""), ("--project", "")], ids=" ".join
)
def test_nothing_is_written_that_would_damage_the_file(
    command: Any, home_path: Path, wrong: tuple[str, ...]
) -> None:
    outcome = command("token", "create", "--role", "reader", *wrong, "--json")
    assert (outcome.code, outcome.error["reason"]) == (2, "invalid_params")
    assert not (home_path / "api_token").exists()
