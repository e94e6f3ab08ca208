"""What was said in a session, out of Claude Code's transcript: JSON Lines, one record each.

Only texts of the user and of the assistant count: no tool calls or results, no thinking, nothing
that Claude Code put into the user's mouth, no subagents.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_READ_BYTES = 48 << 20
"""Of a longer transcript the end; these take 0.2 s to read."""
_CONVERSATION_BYTES = 8 << 20
_ROLES = {"user": "User", "assistant": "Assistant"}
_SAID_BY_NOBODY = (
    "isApiErrorMessage",
    "isCompactSummary",
    "isMeta",
    "isSidechain",
    "isVisibleInTranscriptOnly",
)
_INSERTED = re.compile(
    r"<(system-reminder|command-[a-z]+|local-command-[a-z]+|bash-[a-z]+|task-notification|"
    r"ide_[a-z_]+|user-prompt-submit-hook)\b[^>]*>.*?</\1>",
    re.DOTALL,
)
_INTERRUPTED = "[Request interrupted by user"


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    """User or Assistant."""
    text: str


def newest_first(path: Path) -> Iterator[Message]:
    """What is in the transcript; nothing, where there is none yet."""
    try:
        lines = _lines(path)
    except FileNotFoundError:
        return
    for line in reversed(lines):
        message = _message(line)
        if message is not None:
            yield message


def last_prompt(said: Iterable[Message]) -> str | None:
    return next((message.text for message in said if message.role == "User"), None)


def last_turn(said: Iterable[Message]) -> Iterator[Message]:
    """From the user's last prompt on; newest first, as `said`."""
    for message in said:
        yield message
        if message.role == "User":
            return


def conversation(said: Iterable[Message]) -> str:
    """`User: ...` and `Assistant: ...` in the order of time; the newest 8 MiB."""
    parts: list[str] = []
    size_bytes = 0
    for message in said:
        parts.append(f"{message.role}: {message.text}\n")
        size_bytes += len(parts[-1].encode()) + 1
        if size_bytes > _CONVERSATION_BYTES:
            break
    text = "\n".join(reversed(parts))
    return text.encode()[-_CONVERSATION_BYTES:].decode(errors="ignore")


def _lines(path: Path) -> list[bytes]:
    with path.open("rb") as transcript:
        before_bytes = max(0, transcript.seek(0, os.SEEK_END) - _READ_BYTES)
        transcript.seek(before_bytes)
        lines = transcript.read().split(b"\n")
    return lines[1:] if before_bytes else lines


def _message(line: bytes) -> Message | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # the last line may be half written
        return None
    if not isinstance(record, dict) or any(record.get(mark) for mark in _SAID_BY_NOBODY):
        return None
    role, message = _ROLES.get(str(record.get("type"))), record.get("message")
    if role is None or not isinstance(message, dict):
        return None
    text = _typed(_text(message)) if role == "User" else _text(message).strip()
    # A lone surrogate, such as half an emoji, cannot be sent.
    return Message(role, text.encode(errors="replace").decode()) if text else None


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block["text"]) for block in blocks if _is_text(block))


def _is_text(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and "text" in block


def _typed(text: str) -> str:
    """The user's own words."""
    typed = _INSERTED.sub("", text).strip()
    return "" if typed.startswith(_INTERRUPTED) else typed
