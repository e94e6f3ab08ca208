"""Starting: what is made, what is refused and with which advice, one daemon a home."""

import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeHome, StartDaemon
from process import Daemon, clean_environment, command, refused_start, wait_until

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# What is made


def test_a_new_home_is_made_private(home: Path, start_daemon: StartDaemon) -> None:
    model = home / "models" / "all-MiniLM-L6-v2.gguf"
    new = home / "deep" / "new"
    daemon = start_daemon("--model", str(model), at=new)
    assert mode(new) == 0o700
    assert mode(daemon.socket_path) == 0o600
    assert mode(new / "knowledge") == 0o700
    assert mode(new / "knowledge.lock") == 0o600
    assert daemon.call("system.status")["home"] == str(new)


def test_nothing_in_the_home_is_open_to_others(daemon: Daemon) -> None:
    daemon.call("knowledge.store", {"text": "private"})
    made = list((daemon.home / "knowledge").rglob("*"))
    assert made
    assert [path for path in made if mode(path) & 0o077] == []


def test_status_tells_the_facts(daemon: Daemon) -> None:
    # Right after the start the daemon embeds what it calibrates `covered` with.
    wait_until(lambda: daemon.call("system.status")["queue"] == 0)
    status = daemon.call("system.status")
    assert status["pid"] == daemon.pid
    assert status["ready"] is True
    assert status["socket"] == str(daemon.socket_path)
    assert status["model"]["name"] == "all-MiniLM-L6-v2"
    assert status["connections"] == 1
    assert status["uptime_s"] >= 0
    assert status["rss_bytes"] > 10 << 20
    assert status["version"]


def test_the_environment_and_the_file_configure(home: Path, start_daemon: StartDaemon) -> None:
    (home / "knowledge.toml").write_text('[knowledge]\nextra_types = ["runbook"]\n')
    daemon = start_daemon()
    assert daemon.call("knowledge.store", {"text": "a", "type": "runbook"})["stored"]


def test_the_socket_can_be_elsewhere(home: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--socket", str(home / "models" / "s"))
    daemon.socket_path = home / "models" / "s"
    assert daemon.call("system.ping") == "pong"
    assert not (home / "knowledge.sock").exists()


def test_who_waits_for_the_start_is_told_why_it_failed(home: Path) -> None:
    reader, writer = os.pipe()
    subprocess.run(
        command(home, "--ready-fd", str(writer), "--set", "no.such=1"),
        env=clean_environment(home),
        pass_fds=[writer],
        capture_output=True,
        check=False,
    )
    os.close(writer)
    with os.fdopen(reader) as told:
        error = json.loads(told.readline())["error"]
    assert error["reason"] == "start_refused"
    assert "no.such" in error["message"]


# One daemon a home


def test_a_second_daemon_on_the_same_home_is_refused(daemon: Daemon) -> None:
    message = refused_start(daemon.home)
    assert f"pid {daemon.pid}" in message
    assert daemon.call("system.ping") == "pong"
    assert refused_start(daemon.home, "--socket", str(daemon.home / "other.sock"))
    assert daemon.call("knowledge.store", {"text": "unharmed"})["stored"]


def test_a_stale_socket_is_taken_over(home: Path, start_daemon: StartDaemon) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(home / "knowledge.sock"))
    assert start_daemon().call("system.ping") == "pong"


def test_a_home_is_taken_over_after_a_kill(home: Path, start_daemon: StartDaemon) -> None:
    first = start_daemon()
    first.kill()
    assert first.socket_path.exists()
    assert start_daemon().call("system.ping") == "pong"


@pytest.fixture
def foreign_socket(home: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "knowledge.sock"))
        listening.listen()
        yield listening


def test_a_live_foreign_socket_is_left_alone(home: Path, foreign_socket: socket.socket) -> None:
    path = home / "knowledge.sock"
    before = path.stat().st_ino
    assert "--socket" in refused_start(home)
    assert path.stat().st_ino == before


def test_a_live_socket_of_another_daemon_is_left_alone(daemon: Daemon, new_home: MakeHome) -> None:
    assert "answers" in refused_start(new_home(), "--socket", str(daemon.socket_path))
    assert daemon.call("system.ping") == "pong"


def test_a_file_in_the_sockets_place_is_left_alone(home: Path) -> None:
    path = home / "knowledge.sock"
    path.write_text("precious")
    assert str(path) in refused_start(home)
    assert path.read_text() == "precious"


def test_a_link_in_the_sockets_place_is_left_alone(home: Path) -> None:
    target = home / "precious"
    target.write_text("precious")
    (home / "knowledge.sock").symlink_to(target)
    assert "no socket" in refused_start(home)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("make", ["mkdir", "symlink"])
def test_a_lock_that_is_no_file_is_refused(home: Path, make: str) -> None:
    lock = home / "knowledge.lock"
    lock.mkdir() if make == "mkdir" else lock.symlink_to(home / "elsewhere")
    assert str(lock) in refused_start(home)


# Socket paths


def test_a_socket_path_may_have_107_bytes(home: Path, start_daemon: StartDaemon) -> None:
    path = home / ("s" * (107 - len(str(home)) - 1))
    daemon = start_daemon("--socket", str(path))
    daemon.socket_path = path
    assert daemon.call("system.ping") == "pong"


def test_a_socket_path_of_108_bytes_is_refused(home: Path) -> None:
    path = home / ("s" * (108 - len(str(home)) - 1))
    message = refused_start(home, "--socket", str(path))
    assert "107" in message
    assert "CCO_KNOWLEDGE_SOCKET" in message
    assert "107" in refused_start(home, environment={"CCO_KNOWLEDGE_SOCKET": str(path)})


def test_a_socket_in_a_missing_folder_is_refused(home: Path) -> None:
    assert "--socket" in refused_start(home, "--socket", str(home / "nowhere" / "s"))


# Homes


@pytest.mark.parametrize("open_mode", [0o755, 0o750, 0o701, 0o777])
def test_a_home_that_others_reach_is_refused(home: Path, open_mode: int) -> None:
    home.chmod(open_mode)
    assert f"chmod 700 {home}" in refused_start(home)
    assert mode(home) == open_mode


def test_a_read_only_home_is_refused(home: Path) -> None:
    home.chmod(0o500)
    message = refused_start(home)
    home.chmod(0o700)
    assert f"chmod 700 {home}" in message
    assert not (home / "knowledge").exists()


@as_root
def test_a_home_of_another_user_is_refused(home: Path) -> None:
    os.chown(home, NOBODY, NOBODY)
    message = refused_start(home)
    assert "another user" in message
    assert "--home" in message
    assert not (home / "knowledge").exists()


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    path = home / "file"
    path.write_text("precious")
    assert str(path) in refused_start(path)
    assert path.read_text() == "precious"


# Settings


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[model]\nnam = 'x'\n", ["model.nam", "model.name"]),
        ("[modle]\nname = 'x'\n", ["modle.name", "model.name"]),
        ("[limits]\ndeadline_s = 'soon'\n", ["limits.deadline_s"]),
        ("[limits]\ndeadline_s = 0\n", ["limits.deadline_s"]),
        ("name = 'x'\n", ["name", "section"]),
        ("[model\n", ["TOML"]),
        ("\udcff", ["cannot be read"]),
        ("\0\x01", ["TOML"]),
    ],
)
def test_a_wrong_file_is_refused_by_place(home: Path, toml: str, words: list[str]) -> None:
    path = home / "knowledge.toml"
    path.write_bytes(toml.encode("utf-8", "surrogateescape"))
    message = refused_start(home)
    assert [word for word in [*words, str(path)] if word not in message] == []


@pytest.mark.parametrize("thing", ["a configuration", "a model", "the jobs"])
def test_a_folder_in_the_place_of_a_file_is_refused(home: Path, thing: str) -> None:
    """And a file in the place of a folder."""
    path = {
        "a configuration": home / "knowledge.toml",
        "a model": home / "models" / "all-MiniLM-L6-v2.gguf",
        "the jobs": home / "jobs",
    }[thing]
    if thing == "the jobs":
        path.write_bytes(b"")
    else:
        path.unlink(missing_ok=True)
        path.mkdir()
    assert str(path) in refused_start(home)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["knowledge.toml", "models/all-MiniLM-L6-v2.gguf"])
def test_a_file_that_may_not_be_read_is_refused(home: Path, name: str) -> None:
    path = home / name
    path.touch()
    path.chmod(0)
    assert str(path) in refused_start(home)


@pytest.mark.parametrize(
    ("arguments", "environment", "word"),
    [
        (["--set", "limits.dedline_s=1"], {}, "limits.deadline_s"),
        (["--set", "nonsense"], {}, "nonsense"),
        (["--set", "embedding.threads=many"], {}, "embedding.threads"),
        ([], {"CCO_KNOWLEDGE_LOG_LEVL": "info"}, "CCO_KNOWLEDGE_LOG_LEVEL"),
        ([], {"CCO_KNOWLEDGE_LOG_LEVEL": "loud"}, "log.level"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    home: Path, arguments: list[str], environment: dict[str, str], word: str
) -> None:
    assert word in refused_start(home, *arguments, environment=environment)


# Models


def changed_copy(model_file: Path, target: Path) -> Path:
    """Another model for all that matters: a file with another hash that llama.cpp loads."""
    content = bytearray(model_file.read_bytes())
    place = content.index(b"general.name") + len("general.name") + 4 + 8
    content[place : place + 1] = b"Z" if content[place : place + 1] != b"Z" else b"Y"
    target.write_bytes(content)
    return target


def test_another_model_on_the_same_store_is_refused(
    home: Path, start_daemon: StartDaemon, model_file: Path
) -> None:
    daemon = start_daemon()
    daemon.call("knowledge.store", {"text": "made with the first model"})
    daemon.stop()
    other = changed_copy(model_file, home / "other.gguf")
    message = refused_start(home, "--model", str(other))
    assert "all-MiniLM-L6-v2" in message
    assert "kmctl export" in message
    assert start_daemon().call("knowledge.stats")["total_records"] == 1


def test_the_same_model_at_another_path_is_the_same(
    home: Path, start_daemon: StartDaemon, model_file: Path
) -> None:
    start_daemon().stop()
    copy = shutil.copyfile(model_file, home / "copy.gguf")
    again = start_daemon("--model", str(copy))
    assert again.call("system.status")["model"]["name"] == "all-MiniLM-L6-v2"


def test_another_gguf_embedding_model_is_used_by_path(
    home: Path, start_daemon: StartDaemon, model_file: Path
) -> None:
    daemon = start_daemon("--model", str(changed_copy(model_file, home / "other.gguf")))
    assert daemon.call("system.status")["model"]["name"] == "other"
    daemon.call("knowledge.store", {"text": "The cat sleeps."})
    (hit,) = daemon.call("knowledge.search", {"query": "The cat sleeps."})["results"]
    assert hit["similarity"] == pytest.approx(1, abs=1e-4)


def test_a_missing_model_is_refused_with_the_command(home: Path) -> None:
    shutil.rmtree(home / "models")
    assert "kmctl model pull all-MiniLM-L6-v2" in refused_start(home)


def test_a_damaged_known_model_is_refused_with_the_command(home: Path, model_file: Path) -> None:
    path = home / "models" / model_file.name
    path.unlink()
    path.write_bytes(model_file.read_bytes()[:-1])
    assert "kmctl model pull all-MiniLM-L6-v2" in refused_start(home)


@pytest.mark.parametrize("length", [0, 3, 4, 100, 10_000, 1_000_000])
def test_a_truncated_model_is_refused(home: Path, model_file: Path, length: int) -> None:
    path = home / "cut.gguf"
    path.write_bytes(model_file.read_bytes()[:length])
    assert str(path) in refused_start(home, "--model", str(path))


@pytest.mark.parametrize("content", [b"not a model", b"GGUF" + b"\xff" * 4000, b"PK\x03\x04"])
def test_a_file_that_is_no_gguf_is_refused(home: Path, content: bytes) -> None:
    path = home / "no.gguf"
    path.write_bytes(content)
    assert str(path) in refused_start(home, "--model", str(path))


@pytest.mark.parametrize(
    ("name", "word"), [("all-MiniLM-L6", "all-MiniLM-L6-v2"), ("/no/such.gguf", "/no/such.gguf")]
)
def test_an_unknown_model_is_refused(home: Path, name: str, word: str) -> None:
    assert word in refused_start(home, "--model", name)
    assert word in refused_start(home, environment={"CCO_KNOWLEDGE_MODEL": name})


# Stores that cannot be read


def test_a_file_in_the_stores_place_is_refused(home: Path) -> None:
    (home / "knowledge").write_text("precious")
    assert str(home) in refused_start(home)
    assert (home / "knowledge").read_text() == "precious"


@pytest.mark.parametrize("damage", ["empty", "garbage", "missing"])
def test_a_store_without_any_whole_version_is_refused_and_left_alone(
    home: Path, start_daemon: StartDaemon, damage: str
) -> None:
    daemon = start_daemon()
    daemon.call("knowledge.store", {"text": "entry"})
    daemon.stop()
    files = list((home / "knowledge").rglob("*.manifest"))
    assert files
    for path in files:
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"" if damage == "empty" else b"\xff" * 999)
    before = sorted(str(path) for path in (home / "knowledge").rglob("*"))
    message = refused_start(home)
    assert "knowledge" in message
    assert sorted(str(path) for path in (home / "knowledge").rglob("*")) == before
