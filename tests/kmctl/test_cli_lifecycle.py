"""start, stop, restart and what they leave behind, with a real daemon."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from cco_knowledge.models import DEFAULT_MODEL
from conftest import StartDaemon
from outcome import Kmctl
from process import wait_until

STATUS_FIELDS = [
    *("version", "pid", "uptime_s", "ready", "model", "socket", "home", "connections", "queue"),
    *("embedding", "maintenance", "rss_bytes", "backups", "credential_key"),
]


def is_ready(kmctl: Kmctl) -> bool:
    return kmctl("health").code == 0


def test_a_detached_start_returns_when_the_daemon_is_ready(kmctl: Kmctl) -> None:
    started = kmctl.json("start", "--detach")
    assert started["started"] is True
    assert kmctl("health").out == "ready\n"
    status = kmctl.json("status")
    assert list(status) == STATUS_FIELDS
    assert (status["pid"], status["ready"]) == (started["pid"], True)
    assert (status["home"], status["socket"]) == (
        str(kmctl.home),
        str(kmctl.home / "knowledge.sock"),
    )
    assert stat.S_IMODE((kmctl.home / "logs" / "knowledge.log").stat().st_mode) == 0o600


def test_a_second_start_changes_nothing(kmctl: Kmctl) -> None:
    pid = kmctl.json("start", "--detach")["pid"]
    assert kmctl.json("start", "--detach") == {"pid": pid, "started": False}
    assert f"is running already (pid {pid})" in kmctl("start", "--detach").out


def test_stop_returns_when_the_daemon_is_gone(kmctl: Kmctl) -> None:
    pid = kmctl.json("start", "--detach")["pid"]
    assert kmctl.json("stop") == {"stopped": True, "pid": pid}
    assert not (kmctl.home / "knowledge.sock").exists()
    assert kmctl("status").code == 3
    assert kmctl.json("stop") == {"stopped": False, "pid": None}
    assert "No daemon is running" in kmctl("stop").out


def test_restart_keeps_what_is_stored(kmctl: Kmctl) -> None:
    first = kmctl.json("restart")
    assert (first["started"], first["old_pid"]) == (True, None)
    entry_id = kmctl.json("store", "The backup runs at noon")["id"]
    entries = kmctl.json("get", entry_id)
    second = kmctl.json("restart")
    assert second["old_pid"] == first["pid"] != second["pid"]
    assert kmctl.json("get", entry_id) == entries
    assert kmctl.json("search", "when is the backup")["results"][0]["id"] == entry_id


def test_two_restarts_at_once_take_turns(kmctl: Kmctl) -> None:
    first = kmctl.json("start", "--detach")["pid"]
    with kmctl.begin("restart", "--json") as one, kmctl.begin("restart", "--json") as other:
        ended = [json.loads(process.communicate()[0]) for process in (one, other)]
    by_old = {restarted["old_pid"]: restarted["pid"] for restarted in ended}
    assert kmctl.json("status")["pid"] == by_old[by_old[first]]


def test_a_restart_that_fails_leaves_no_socket_behind(kmctl: Kmctl, model_file: Path) -> None:
    kmctl("start", "--detach")
    (kmctl.home / "models" / model_file.name).unlink()
    failed = kmctl("restart")
    assert (failed.code, "kmctl model pull" in failed.err) == (1, True)
    assert not (kmctl.home / "knowledge.sock").exists()
    assert kmctl("health").code == 3


def test_a_restart_with_wrong_settings_leaves_the_daemon_running(kmctl: Kmctl) -> None:
    pid = kmctl.json("start", "--detach")["pid"]
    wrong = Kmctl(kmctl.home, {"CCO_KNOWLEDGE_LIMITS_DRAIN_S": "soon"})
    outcome = wrong("restart")
    assert (outcome.code, outcome.out) == (2, "")
    assert "limits.drain_s" in outcome.err
    assert kmctl.json("status")["pid"] == pid


def test_a_start_in_the_foreground_becomes_the_daemon(kmctl: Kmctl) -> None:
    with kmctl.begin("start") as process:
        wait_until(lambda: is_ready(kmctl))
        assert kmctl.json("status")["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert (process.returncode, out) == (0, b"")
    assert b"Traceback" not in err


def test_every_command_finds_the_socket_that_the_daemon_was_told(kmctl: Kmctl) -> None:
    socket = str(kmctl.home / "other.sock")
    pid = kmctl.json("start", "--detach", "--socket", socket)["pid"]
    assert kmctl("status").code == 3
    by_variable = Kmctl(Path("/nowhere"), {"CCO_KNOWLEDGE_SOCKET": socket})
    assert by_variable.json("status")["pid"] == pid
    assert kmctl.json("stop", "--socket", socket)["pid"] == pid


def test_a_misspelt_setting_in_the_environment_is_told_by_the_daemon(kmctl: Kmctl) -> None:
    wrong = Kmctl(kmctl.home, {"CCO_KNOWLEDGE_LIMITS_DRIAN_S": "5"})
    outcome = wrong("start", "--detach")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "kmctl: The setting CCO_KNOWLEDGE_LIMITS_DRIAN_S (environment) does not exist. "
        "Did you mean CCO_KNOWLEDGE_LIMITS_DRAIN_S?\n"
    )
    assert wrong("start", "--detach", "--json").error["reason"] == "start_refused"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[limits]\ndrian_s = 5.0\n", "limits.drian_s"),
        ("[limits\n", "not valid TOML"),
        ('[limits]\ndrain_s = "soon"\n', "limits.drain_s"),
    ],
)
def test_a_broken_configuration_starts_nothing(kmctl: Kmctl, text: str, told: str) -> None:
    file = kmctl.home / "knowledge.toml"
    file.write_text(text)
    outcome = kmctl("start", "--detach")
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert str(file) in outcome.err
    file.unlink()
    assert kmctl("health").code == 3


def test_a_missing_model_is_told_with_the_command_that_gets_it(
    kmctl: Kmctl, model_file: Path, model_archive: Path
) -> None:
    own_model = kmctl.home / "models" / model_file.name
    own_model.unlink()
    assert kmctl.json("model", "info")["present"] is False
    outcome = kmctl("start", "--detach")
    assert (outcome.code, outcome.out) == (1, "")
    assert f"kmctl model pull {DEFAULT_MODEL}" in outcome.err
    pulled = kmctl.json("model", "pull", DEFAULT_MODEL, "--from", str(model_archive))
    assert (pulled["path"], pulled["downloaded"]) == (str(own_model), True)
    assert kmctl.json("model", "pull")["downloaded"] is False
    here = {model["name"]: model["present"] for model in kmctl.json("model", "list")["models"]}
    assert [name for name, present in here.items() if present] == [DEFAULT_MODEL]
    assert kmctl("start", "--detach").code == 0


def test_a_model_of_which_nothing_is_known_starts_nothing(kmctl: Kmctl) -> None:
    outcome = kmctl("start", "--detach", "--model", "all-minilm")
    assert (outcome.code, outcome.out) == (1, "")
    assert DEFAULT_MODEL in outcome.err


def test_a_start_that_is_not_waited_for_goes_on(kmctl: Kmctl) -> None:
    outcome = kmctl("start", "--detach", "--timeout", "0.001")
    assert outcome.code == 75
    assert "goes on starting" in outcome.err
    wait_until(lambda: is_ready(kmctl))
    assert kmctl.json("start", "--detach")["started"] is False


def test_a_daemon_goes_on_when_nobody_reads_that_it_is_ready(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ready=False)
    os.close(daemon._ready_fd)
    wait_until(lambda: is_ready(Kmctl(daemon.home)))
    assert daemon.call("knowledge.stats")["total_records"] == 0
    assert daemon.stop() == 0
