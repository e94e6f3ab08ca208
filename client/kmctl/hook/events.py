"""What each hook asks of the daemon, and what the agent gets to read."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cco_knowledge_client import project_of
from kmctl.hook.quotation import quoted
from kmctl.hook.transcript import Message, conversation, last_prompt, last_turn, newest_first

Input = Mapping[str, Any]
Ask = Callable[[str, Mapping[str, Any]], Any]

_TASK_MAX_CHARS = 4_000
"""What a prompt is about, it says in the beginning; what follows may be megabytes pasted in."""
_ENTRIES = 10
_ANSWERS = 6
"""Of them after a compaction, so that there is room for decisions too."""


def session_start(event: Input, ask: Ask) -> str:
    """What is stored for the project; after a compaction, what helps to go on."""
    task = last_prompt(_said(event)) if event.get("source") == "compact" else None
    return _what_is_stored(event, ask) if task is None else _what_helps(event, task, ask)


def pre_compact(event: Input, ask: Ask) -> str:
    """Hand over the whole conversation, before it is summed up."""
    return _capture(conversation(_said(event)), event, ask)


def stop(event: Input, ask: Ask) -> str:
    """Hand over the turn that has just ended."""
    if event.get("stop_hook_active"):
        return ""
    return _capture(conversation(last_turn(_said_until_now(event))), event, ask)


EVENTS: Final[Mapping[str, Callable[[Input, Ask], str]]] = {
    "session-start": session_start,
    "pre-compact": pre_compact,
    "stop": stop,
}


def _what_is_stored(event: Input, ask: Ask) -> str:
    project_id = _project_id(event)
    result = ask(
        "session.start",
        {"session_id": event["session_id"], "project_id": project_id, "limit": _ENTRIES},
    )
    return quoted(f"the newest of project {project_id}", result["recent_knowledge"])


def _what_helps(event: Input, task: str, ask: Ask) -> str:
    project_id = _project_id(event)
    result = ask(
        "session.post_compaction",
        {
            "current_task": task[:_TASK_MAX_CHARS],
            "project_id": project_id,
            "limit": _ENTRIES,
        },
    )
    decisions = [entry for entry in result["recent_knowledge"] if entry["type"] == "decision"]
    return quoted(
        f"what helps with the task at hand, and the newest decisions of project {project_id}",
        [*result["search_results"][:_ANSWERS], *decisions],
    )


def _capture(said: str, event: Input, ask: Ask) -> str:
    """The daemon takes out what is worth keeping, also if there is no time to wait for that."""
    if said:
        ask(
            "session.pre_compaction",
            {
                "conversation": said,
                "project_id": _project_id(event),
                "session_id": event["session_id"],
            },
        )
    return ""


def _project_id(event: Input) -> str:
    return project_of(event.get("cwd"))


def _said(event: Input) -> Iterator[Message]:
    return newest_first(Path(event["transcript_path"]).expanduser())


def _said_until_now(event: Input) -> Iterator[Message]:
    """With the last message, which may come to the transcript only after the hook."""
    said = _said(event)
    last = Message("Assistant", str(event.get("last_assistant_message") or "").strip())
    newest = next(said, last)
    if last.text and newest != last:
        yield last
    if newest.text:
        yield newest
    yield from said
