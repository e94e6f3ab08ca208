"""The commands that stand in the settings, run as Claude Code runs them."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_code import SESSION_ID, Claude, text
from ndjson_peer import ENTRY, Peer, Recorded, serving
from outcome import Outcome
from process import Daemon

EVENTS = ("SessionStart", "PreCompact", "Stop")
SILENT = Outcome(0, "", "")
LONGEST_S = 20.0
"""Only to tell a hook that ends by itself from one that waits for the daemon."""

each_event = pytest.mark.parametrize("event", EVENTS)


@pytest.fixture
def user_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-", dir="/tmp") as folder:  # short, for sockets
        yield Path(folder)


@pytest.fixture
def claude(user_home: Path) -> Claude:
    claude = Claude(user_home, "shop")
    claude.says("user", "Which database do we use?")
    claude.says("assistant", text("We decided to use LanceDB for vectors."))
    claude.says("user", "And for the tests?")
    claude.says("assistant", text("The real one."))
    return claude


def installed(claude: Claude, *options: str) -> Claude:
    outcome = claude.kmctl("hooks", "install", *options)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    return claude


def heard(claude: Claude, event: str, results: dict[str, Any], **more: object) -> tuple[Any, str]:
    """What a daemon was asked by a hook, and what the agent was told."""
    recorded = Recorded(results)
    with serving(recorded) as daemon:
        installed(claude, "--socket", str(daemon.path))
        outcome = claude.hook(event, **more)
    assert (outcome.code, outcome.err) == (0, "")
    return recorded.params, outcome.out


@each_event
def test_without_a_daemon_nothing_happens(claude: Claude, event: str) -> None:
    assert installed(claude).hook(event) == SILENT
    compact: dict[str, object] = {"source": "compact"} if event == "SessionStart" else {}
    assert claude.hook(event, **compact) == SILENT
    assert not (claude.user_home / ".cco").exists()


@each_event
def test_a_daemon_that_never_answers_is_not_waited_for(claude: Claude, event: str) -> None:
    asked: list[Any] = []

    def silent(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            asked.append(request["params"]["project_id"])

    with serving(silent) as daemon:
        installed(claude, "--socket", str(daemon.path))
        assert claude.hook(event) == SILENT
    assert asked == ["shop"]  # the daemon has all it needs to go on alone
    assert claude.last_run_s < LONGEST_S


@each_event
def test_a_daemon_that_refuses_or_talks_nonsense_is_borne(claude: Claude, event: str) -> None:
    def refuses(peer: Peer) -> None:
        peer.refuse(peer.read(), -32601, "method_not_found")

    def drivels(peer: Peer) -> None:
        peer.answer(peer.read(), ["no object"])

    with serving(refuses, drivels) as daemon:
        installed(claude, "--socket", str(daemon.path))
        assert claude.hook(event) == SILENT
        assert claude.hook(event) == SILENT


@each_event
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b"\xff",
        b'{"session_id": 1, "cwd": null, "transcript_path": "/"}',
        b'{"session_id": "s", "cwd": "/gone", "transcript_path": "/gone", "source": "compact"}',
    ],
    ids=repr,
)
def test_whatever_comes_in_nothing_goes_wrong(claude: Claude, event: str, data: bytes) -> None:
    installed(claude)
    assert claude.run(claude.command(event), data) == SILENT


@pytest.mark.parametrize("argument", ["", "unknown", "stop stop", "--no-such-option"])
def test_a_command_somebody_changed_is_harmless(claude: Claude, argument: str) -> None:
    command = installed(claude).command("Stop").removesuffix(" stop")
    assert claude.run(f"{command} {argument}", b"{}") == SILENT


def test_the_reason_is_told_on_demand(claude: Claude) -> None:
    command = installed(claude).command("SessionStart")
    data = json.dumps(claude.input("SessionStart")).encode()
    outcome = claude.run(f"{command} --verbose", data)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith("kmctl.hook: Unreachable: No daemon answers at ")


def test_a_session_begins_with_what_is_stored(claude: Claude) -> None:
    stored = {"recent_knowledge": [ENTRY], "summary": {}}
    for source in ("startup", "resume", "clear"):
        params, told = heard(claude, "SessionStart", {"session.start": stored}, source=source)
        assert params == [{"session_id": SESSION_ID, "project_id": "shop", "limit": 10}]
        assert "[type decision, date 2026-11-22, agent unknown, id decision-1-a]\n" in told
        assert "\n> We use LanceDB\n> for [31mvectors\n" in told


def test_nothing_stored_is_not_worth_a_word(claude: Claude) -> None:
    nothing: dict[str, Any] = {"recent_knowledge": [], "summary": {}}
    assert heard(claude, "SessionStart", {"session.start": nothing})[1] == ""


def test_after_a_compaction_comes_what_helps_to_go_on(claude: Claude) -> None:
    claude.says("user", "<command-name>/compact</command-name>")
    claude.says("user", "A summary of it all", isCompactSummary=True)
    answer = {
        "search_results": [{**ENTRY, "id": "found", "type": "pattern"}],
        "recent_knowledge": [{**ENTRY, "id": "decided"}, {**ENTRY, "id": "x", "type": "issue"}],
        "summary": {},
    }
    params, told = heard(
        claude, "SessionStart", {"session.post_compaction": answer}, source="compact"
    )
    task = {"current_task": "And for the tests?", "project_id": "shop", "limit": 10}
    assert params == [task]
    assert [line.rpartition(" ")[2] for line in told.splitlines() if line.startswith("[")] == [
        "found]",
        "decided]",
    ]


def test_before_a_compaction_the_conversation_is_handed_over(claude: Claude) -> None:
    done = {"success": True, "count": 1, "ids": ["x"]}
    params, told = heard(claude, "PreCompact", {"session.pre_compaction": done})
    said = (
        "User: Which database do we use?\n\n"
        "Assistant: We decided to use LanceDB for vectors.\n\n"
        "User: And for the tests?\n\n"
        "Assistant: The real one.\n"
    )
    assert params == [{"conversation": said, "project_id": "shop", "session_id": SESSION_ID}]
    assert told == ""


def test_after_a_turn_the_turn_is_handed_over(claude: Claude) -> None:
    done = {"session.pre_compaction": {"success": True, "count": 0, "ids": []}}
    turn = "User: And for the tests?\n\nAssistant: The real one.\n"
    (params,), told = heard(claude, "Stop", done)
    assert (params["conversation"], told) == (turn, "")
    (params,), _ = heard(claude, "Stop", done, last_assistant_message="The real one.\n")
    assert params["conversation"] == turn
    (params,), _ = heard(claude, "Stop", done, last_assistant_message="Not written yet.")
    assert params["conversation"] == f"{turn}\nAssistant: Not written yet.\n"
    assert heard(claude, "Stop", done, stop_hook_active=True) == ([], "")


def test_the_project_is_the_one_worked_in(claude: Claude) -> None:
    answer: dict[str, Any] = {"session.start": {"recent_knowledge": [], "summary": {}}}
    worktree = claude.user_home / "src" / "elsewhere"
    (claude.folder / ".git" / "worktrees" / "w").mkdir(parents=True)
    (claude.folder / ".git" / "worktrees" / "w" / "commondir").write_text("../..\n")
    worktree.mkdir()
    (worktree / ".git").write_text(f"gitdir: {claude.folder}/.git/worktrees/w\n")
    (params,), _ = heard(claude, "SessionStart", answer, cwd=str(worktree))
    assert params["project_id"] == "shop"


def test_hooks_find_the_daemon_where_kmctl_does(shared_daemon: Daemon, claude: Claude) -> None:
    verbose = f"{installed(claude).command('SessionStart')} --verbose"
    data = json.dumps(claude.input("SessionStart")).encode()

    def is_reached(command: str = verbose, **environment: str) -> bool:
        claude.environment = environment
        return "Unreachable" not in claude.run(command, data).err

    assert not is_reached()
    home = claude.user_home / ".cco"
    home.mkdir()
    settings = home / "knowledge.toml"
    settings.write_text(f'[socket]\npath = "{shared_daemon.socket_path}"\n')
    assert is_reached()
    settings.unlink()

    assert is_reached(CCO_KNOWLEDGE_SOCKET=str(shared_daemon.socket_path))
    assert is_reached(CCO_KNOWLEDGE_SOCKET_PATH=str(shared_daemon.socket_path))
    assert is_reached(CCO_HOME=str(shared_daemon.home))
    claude.environment = {}
    at_home = installed(claude, "--home", str(shared_daemon.home)).command("SessionStart")
    assert is_reached(f"{at_home} --verbose")


def test_a_hook_imports_little() -> None:
    heavy = "click rich asyncio msgspec cco_knowledge argparse"
    program = (
        "import sys, kmctl.hook.__main__, kmctl.hook.invocation; "
        f"found = set('{heavy}'.split()) & set(sys.modules); assert not found, found"
    )
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-P", "-c", program], env=environment, check=True)
