"""Plain statements are kept, however short; what only moves a conversation on is not."""

import pytest

from cco_knowledge.sessions.conversation import passages
from cco_knowledge.sessions.worth import worth_keeping

KEPT = {
    "decision": (
        "We decided to use LanceDB for the vectors, because it is embedded and needs no server.",
        "Decision: we use LanceDB because it is embedded.",
        "Decided: PostgreSQL instead of MySQL.",
        "We chose PostgreSQL over MongoDB because we need transactions.",
        "Let's go with Redis for the session cache.",
        "We agreed to use trunk-based development.",
        "Switched from npm to pnpm because installs were too slow.",
        "We no longer use Redis for sessions; they live in PostgreSQL now.",
    ),
    "issue": (
        "The root cause was a missing index on orders.customer_id.",
        "The bug was caused by a race condition in the token refresh.",
        "Known issue: the importer crashes on files larger than 2 GB.",
        "The login page still fails on Safari 15; this is not fixed yet.",
        "TODO: the retry logic does not handle timeouts.",
    ),
    "configuration": ("Set MAX_CONNECTIONS to 100 in config/production.yaml.",),
    "credential": ("API keys are stored in Vault under secret/shop.",),
    "pattern": ("Convention: branch names start with the ticket number.",),
    "architecture": ("Architecture: the worker reads jobs from Kafka and writes to S3.",),
}
DROPPED = (
    "Let me check the logs first.",
    "Could we use Redis here?",
    "Maybe we could use Kafka instead.",
    "I switched to the branch feature/login.",
    "I moved on to the next file.",
    "I fixed the typo.",
    "Let's use this opportunity to test.",
    "The problem is I don't understand the error.",
    "We'll keep that in mind.",
    "Here is the output of the command.",
    "Let me know what you decided.",
    "Never mind.",
)


@pytest.mark.parametrize(
    ("kind", "statement"), [(kind, one) for kind, some in KEPT.items() for one in some]
)
def test_a_plain_statement_is_kept_as_what_it_is(kind: str, statement: str) -> None:
    (kept,) = [kept for passage in passages(statement) for kept in worth_keeping(passage)]
    assert (kept.text, kept.type) == (statement, kind)


@pytest.mark.parametrize("sentence", DROPPED)
def test_what_only_moves_a_conversation_on_is_not_kept(sentence: str) -> None:
    assert [kept for passage in passages(sentence) for kept in worth_keeping(passage)] == []
