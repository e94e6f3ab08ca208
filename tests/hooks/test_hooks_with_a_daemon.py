"""A session with hooks and a real daemon: what was said in it is found in the next one."""

import pytest

from claude_code import Claude, text
from process import Daemon, wait_until

DECISION = (
    "Decision: we store all vectors in LanceDB instead of Chroma, because LanceDB is embedded "
    "and needs no server process."
)
RETRY = (
    "We retry failed payments five times with exponential backoff, because the gateway drops "
    "connections."
)


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
    claude.says("user", "Where do the vectors go?")
    claude.says("assistant", text(f"Let me think.\n\n{DECISION}"))
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
    claude.says("assistant", text(RETRY))
    for _ in range(2):
        assert claude.hook("Stop").out == ""
        wait_until(lambda: any("backoff" in each for each in stored(shared_daemon, project)))
    assert claude.hook("PreCompact").out == ""
    texts = stored(shared_daemon, project)
    assert len(texts) == len(set(texts))
    assert "exponential backoff" in claude.hook("SessionStart").out


def test_what_was_sent_is_stored_after_the_hook_has_gone(
    shared_daemon: Daemon, project: str, claude: Claude
) -> None:
    for number in range(150):
        claude.says("user", f"And service {number}?")
        claude.says(
            "assistant",
            text(
                f"Decision: service {number} keeps its ledger in table ledger_{number} with the "
                f"partition key tenant_{number * 7}, because its queries are per tenant."
            ),
        )
    assert claude.hook("PreCompact").out == ""
    wait_until(lambda: any("ledger_149" in each for each in stored(shared_daemon, project)))
