"""A session with hooks and a real daemon: what was said in it is found in the next one."""

import pytest

from claude_code import Claude, text
from process import Daemon, wait_until


@pytest.fixture
def claude(shared_daemon: Daemon, project: str, tmp_path_factory: pytest.TempPathFactory) -> Claude:
    claude = Claude(tmp_path_factory.mktemp("user"), project)
    outcome = claude.kmctl("hooks", "install", "--home", str(shared_daemon.home))
    assert outcome.code == 0, outcome
    return claude


def stored(daemon: Daemon, project: str) -> list[str]:
    result = daemon.call("knowledge.query", {"project_id": project, "limit": 1000})
    return [entry["text"] for entry in result["results"]]


def test_what_was_decided_before_a_compaction_is_told_after_it(
    shared_daemon: Daemon, project: str, claude: Claude
) -> None:
    claude.says("user", "Which database shall hold the vectors?")
    claude.says("assistant", text("Decision: we use LanceDB because it is embedded."))
    assert claude.hook("PreCompact").out == ""
    wait_until(lambda: any("LanceDB" in each for each in stored(shared_daemon, project)))

    claude.says("user", "This session is being continued ...", isCompactSummary=True)
    told = claude.hook("SessionStart", source="compact")
    assert (told.code, told.err) == (0, "")
    assert "[type decision, " in told.out
    assert "\n> " in told.out
    assert "LanceDB" in told.out


def test_a_turn_is_remembered_once_and_told_to_the_next_session(
    shared_daemon: Daemon, project: str, claude: Claude
) -> None:
    claude.says("user", "How do we retry?")
    claude.says("assistant", text("Decision: we retry five times with exponential backoff."))
    for _ in range(2):
        assert claude.hook("Stop").out == ""
        wait_until(lambda: any("backoff" in each for each in stored(shared_daemon, project)))
    assert claude.hook("PreCompact").out == ""
    texts = stored(shared_daemon, project)
    assert len(texts) == len(set(texts))
    assert "exponential backoff" in claude.hook("SessionStart").out
