from pathlib import Path

import pytest

from claude_code import Claude, text
from kmctl.hook import transcript
from kmctl.hook.transcript import conversation, last_prompt, last_turn, newest_first


@pytest.fixture
def claude(tmp_path: Path) -> Claude:
    return Claude(tmp_path, "shop")


def said(claude: Claude) -> str:
    return conversation(newest_first(claude.transcript))


def test_only_what_user_and_assistant_said_is_read(claude: Claude) -> None:
    claude.writes(b'{"type":"summary","summary":"An older session","leafUuid":"x"}\n')
    claude.writes(b'{"type":"file-history-snapshot","messageId":"x","snapshot":{}}\n')
    claude.says("user", "Which database do we use?")
    claude.says("assistant", [{"type": "thinking", "thinking": "hidden", "signature": "s"}])
    claude.says("assistant", text("Let me look."))
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "hidden"}}
    claude.says("assistant", [use])
    claude.says("user", [{"type": "tool_result", "tool_use_id": "t", "content": "hidden"}])
    claude.says("user", "hidden: a sub-agent's prompt", isSidechain=True)
    claude.says("assistant", text("hidden: a sub-agent"), isSidechain=True)
    claude.says("user", text("hidden: a skill"), isMeta=True)
    claude.says("assistant", text("API Error: hidden"), isApiErrorMessage=True)
    claude.says("user", "hidden: what came before", isCompactSummary=True)
    claude.writes(b'{"type":"system","subtype":"compact_boundary","content":"hidden"}\n')
    claude.says("assistant", [*text("LanceDB."), use, *text("It is embedded.")])

    assert said(claude) == (
        "User: Which database do we use?\n\n"
        "Assistant: Let me look.\n\n"
        "Assistant: LanceDB.\nIt is embedded.\n"
    )


def test_what_claude_code_inserts_is_not_the_users(claude: Claude) -> None:
    claude.says("user", "<command-name>/compact</command-name>\n<command-args></command-args>")
    claude.says("user", "<local-command-stdout>Compacted</local-command-stdout>")
    claude.says("user", "<bash-input>ls</bash-input><bash-stdout>hidden</bash-stdout>")
    claude.says("user", text("[Request interrupted by user for tool use]"))
    claude.says(
        "user",
        "Fix the <b>login</b>.\n<system-reminder>\nhidden\n</system-reminder>",
    )
    assert said(claude) == "User: Fix the <b>login</b>.\n"


def test_lines_that_are_no_messages_are_passed_over(claude: Claude) -> None:
    for line in (b"\n", b"null\n", b"[]\n", b'{"type":"user"}\n', b'{"type":["user"]}\n'):
        claude.writes(line)
    claude.writes(b'{"type":"user","message":{"content":[null,{"type":"text"},{"text":"x"}]}}\n')
    claude.writes(b"[" * 100_000 + b"\n")
    claude.says("user", "half of an emoji: \ud83d")
    claude.writes(b'{"type":"assistant","message":{"content":"half wri')
    assert said(claude) == "User: half of an emoji: ?\n"


def test_no_transcript_says_nothing(claude: Claude) -> None:
    assert said(claude) == ""
    assert last_prompt(newest_first(claude.transcript)) is None


def test_the_last_turn_begins_with_the_last_prompt(claude: Claude) -> None:
    claude.says("user", "First")
    claude.says("assistant", text("One"))
    claude.says("user", "Second")
    claude.says("assistant", text("Two"))
    claude.says("user", [{"type": "tool_result", "tool_use_id": "t", "content": "hidden"}])
    claude.says("assistant", text("Three"))
    turn = conversation(last_turn(newest_first(claude.transcript)))
    assert turn == "User: Second\n\nAssistant: Two\n\nAssistant: Three\n"
    assert last_prompt(newest_first(claude.transcript)) == "Second"


def test_of_much_the_newest_is_kept(claude: Claude, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        claude.says("user", f"{number} ä")
    monkeypatch.setattr(transcript, "_CONVERSATION_BYTES", 20)
    assert said(claude) == " 98 ä\n\nUser: 99 ä\n"
    monkeypatch.setattr(transcript, "_CONVERSATION_BYTES", 10_000)
    monkeypatch.setattr(transcript, "_READ_BYTES", claude.transcript.stat().st_size // 2)
    assert said(claude).startswith("User: 51 ä\n\nUser: 52 ä\n")
