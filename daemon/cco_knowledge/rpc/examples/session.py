from typing import Any

from cco_knowledge.rpc.examples.example import Example
from cco_knowledge.rpc.examples.knowledge import DECISION, ISSUE, PROJECT, SCORES

_ISSUE: dict[str, Any] = {**ISSUE, "metadata": {"fixed": True}}
_SUMMARY = {
    "total_items": 2,
    "by_type": {"decision": 1, "issue": 1},
    "by_agent": {"planner": 1, "unknown": 1},
    "top_decisions": [DECISION["text"]],
    "recent_activity": [ISSUE["text"], DECISION["text"]],
}

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "session.start": (
        Example(
            "A session on one subject",
            {
                "session_id": "example-session",
                "project_id": PROJECT,
                "context": "which database holds the orders",
            },
            {"recent_knowledge": [DECISION, _ISSUE], "summary": _SUMMARY},
        ),
    ),
    "session.pre_compaction": (
        Example(
            "One decision, and much that is not",
            {
                "conversation": (
                    "User: Could you look at how we send mails?\n\n"
                    "Assistant: Sure, let me check the code first.\n\n"
                    "User: We decided to send all mails through the queue, because the SMTP "
                    "server is down at night.\n\n"
                    "Assistant: Thanks, I will change that now."
                ),
                "project_id": "example-mail",
                "session_id": "example-session",
            },
            {"success": True, "count": 1, "ids": ["decision-1714729800000-5f1c7a2e9d03"]},
            varies=("ids",),
        ),
    ),
    "session.post_compaction": (
        Example(
            "Going on with a task",
            {"current_task": "move the orders to another database", "project_id": PROJECT},
            {
                "search_results": [
                    DECISION | {"score": 0.99, "similarity": 0.5280170440673828, "passage": None}
                ],
                "recent_knowledge": [_ISSUE, DECISION],
                "summary": _SUMMARY,
            },
            varies=SCORES,
        ),
    ),
}
