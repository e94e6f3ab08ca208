"""Calls while no daemon runs."""

from pathlib import Path

from manager_command import COMMAND, Manager, git_folder


def test_calls_at_the_same_time_start_one_daemon_and_lose_nothing(starting: Manager) -> None:
    """At the socket that the settings name."""
    socket_path = starting.home / "other.sock"
    (starting.home / "knowledge.toml").write_text(f'[socket]\npath = "{socket_path}"\n')
    calls = [starting.begin("store", f"fact {number}") for number in range(4)]
    ended = [(call.communicate(), call.returncode) for call in calls]
    assert [code for _, code in ended] == [0] * 4, ended
    assert socket_path.is_socket()
    assert '"totalRecords": 4' in starting("stats").out


def test_a_daemon_that_cannot_start_is_an_error_that_says_why(home: Path, tmp_path: Path) -> None:
    (model,) = (home / "models").iterdir()
    model.unlink()
    outcome = Manager(home, git_folder(tmp_path / "my-app"))("search", "x")
    assert outcome.code == 1
    assert outcome.out == "📦 Knowledge Manager initialized for repository: my-app\n"
    first, second = outcome.err.splitlines()
    assert first.startswith("❌ Search failed: The model ")
    assert "kmctl model pull" in first
    assert second == first.replace("❌ Search failed", "Fatal error")


def test_a_folder_that_is_gone_is_an_error(manager: Manager) -> None:
    gone = manager.folder / "gone"
    gone.mkdir()
    outcome = manager.run(
        ["/bin/sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *COMMAND, "stats"], gone
    )
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("❌ Stats failed: ")
