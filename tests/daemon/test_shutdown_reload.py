"""system.shutdown and system.reload."""

import os
import signal
from pathlib import Path

import pytest

from conftest import StartDaemon
from process import Daemon, wait_until
from wire import FRAMINGS


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_shutdown_is_answered_and_then_done(daemon: Daemon, framing: str) -> None:
    answer = daemon.call("system.shutdown", framing=framing)
    assert answer == {"stopping": True, "pid": daemon.pid}
    assert daemon.wait() == 0


def write(home: Path, text: str) -> None:
    (home / "knowledge.toml").write_text(text)


def test_a_reload_applies_what_it_can_and_names_the_rest(
    start_daemon: StartDaemon, home: Path
) -> None:
    write(home, "[knowledge]\nextra_types = []\n")
    daemon = start_daemon()
    assert daemon.call("system.reload") == {"applied": [], "restart_needed": []}
    recipe = {"text": "Bread rises.", "type": "recipe"}
    assert daemon.refusal("knowledge.store", recipe).field == "type"
    write(
        home,
        '[knowledge]\nextra_types = ["recipe"]\n[limits]\ndeadline_s = 7\n'
        '[embedding]\ncache_size = 10\n[log]\nlevel = "warning"\n',
    )
    assert daemon.call("system.reload") == {
        "applied": ["knowledge.extra_types", "limits.deadline_s", "log.level"],
        "restart_needed": ["embedding.cache_size"],
    }
    daemon.call("knowledge.store", recipe)
    n_logged = len(daemon.stderr)
    daemon.call("system.ping")
    assert len(daemon.stderr) == n_logged, "the new log level holds"


def test_a_configuration_that_is_wrong_changes_nothing(
    start_daemon: StartDaemon, home: Path
) -> None:
    daemon = start_daemon()
    write(home, '[knowledge]\nextra_types = ["recipe"]\n[limits]\ndeadline = 7\n')
    refused = daemon.refusal("system.reload")
    assert refused.reason == "conflict"
    assert "kmctl config check" in refused.message
    assert str(home) not in refused.message
    assert daemon.refusal("knowledge.store", {"text": "x", "type": "recipe"}).field == "type"


def test_a_hangup_reloads(start_daemon: StartDaemon, home: Path) -> None:
    daemon = start_daemon()
    write(home, '[knowledge]\nextra_types = ["recipe"]\n')
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: "reloaded" in daemon.stderr)
    daemon.call("knowledge.store", {"text": "Bread rises.", "type": "recipe"})
    write(home, "[")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: "not valid" in daemon.stderr)
    assert daemon.call("system.ping") == "pong"
