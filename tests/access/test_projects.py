"""A token that is limited to projects: its answers are those of a store without all others.

Each method is called with such a token, before another project has anything and afterwards, and
the answers are compared byte by byte. What is random or a clock's is left out.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from access.token_calls import With, token
from cco_knowledge.rpc.methods import METHODS, SYSTEM
from entries import listed
from process import Daemon, wait_until
from wire import request

MARK = "zanzibar"
"""In every text, name and id of the other project, and nowhere else."""
OTHER = f"{MARK}-project"
OWN = ("shop", "shop-web")
QUESTIONS = ("which database for payments", "payments cache", "tea", "the colour of the button")
CONVERSATION = (
    "We decided to use Redis for the session cache, because the database was too slow. "
    "The cause of the crash was a missing index on the orders table."
)

Calls = list[tuple[str, dict[str, Any]]]


def own_entries() -> list[dict[str, Any]]:
    texts = [
        "We use PostgreSQL as the database for payments",
        "The payments service keeps its cache in Redis",
        "Orders are exported every night as CSV",
        "The web shop shows prices with tax",
        "The colour of the button is green",
        "Tea is sold by weight",
        # So many that the few which come and go below do not change what chance finds among them.
        *(f"Article {n} weighs {n} kilograms and lies on shelf {n}" for n in range(30)),
    ]
    long = " ".join(f"Paragraph {n} tells how payments are booked." for n in range(120))
    return [
        {
            "id": f"own-{number}",
            "text": text,
            "type": "decision" if number % 2 else "implementation",
            "project_id": OWN[number % 2],
            "agent": "claude",
            "session_id": "s1",
            "metadata": {"number": number},
            "timestamp": f"2026-01-01T00:00:{number:02}.000Z",
            "on_duplicate": "store",
        }
        for number, text in enumerate([*texts, long])
    ]


def other_entries() -> list[dict[str, Any]]:
    """What would change answers if it counted: the same texts and words, nearer and newer."""
    same = [
        {
            **entry,
            "id": f"{MARK}-{number}",
            "project_id": OTHER,
            "agent": MARK,
            "session_id": MARK,
            "timestamp": f"2026-02-01T00:00:{number:02}.000Z",
        }
        for number, entry in enumerate(own_entries())
    ]
    rare = [
        {"id": f"{MARK}-rare-{at}-{n}", "text": f"{MARK} {word} {n}", "project_id": OTHER}
        for at, word in enumerate(("tea", "payments", "database", "button", "Redis session cache"))
        for n in range(12)
    ]
    return same + rare


def store_other(daemon: Daemon) -> None:
    stored = daemon.call("knowledge.store_batch", {"items": other_entries()})
    assert stored["failed"] == 0, stored
    old = {
        "id": f"{MARK}-old",
        "text": f"{MARK} old record",
        "type": f"{MARK}-type",
        "project_id": OTHER,
        "session_id": "s",
        "agent": MARK,
        "timestamp": "2025-01-01T00:00:00Z",
        "record": "r1",
    }
    daemon.call("knowledge.migrate", {"run": f"{MARK}-run", "items": [old]})
    daemon.call("knowledge.update", {"id": f"{MARK}-1", "superseded_by": f"{MARK}-0"})
    job = daemon.call("system.optimize")
    assert daemon.call("job.wait", {"id": job["id"]})["state"] == "done"
    imported = daemon.call("knowledge.import", {"items": [other_entries()[0]]})
    daemon.call("job.wait", {"id": imported["id"]})
    # Own entries that the other project's have replaced, and the other way round.
    for number in (2, 3):
        daemon.call(
            "knowledge.store",
            {
                "text": f"{MARK} {number} cross",
                "id": f"{MARK}-cross-{number}",
                "project_id": OTHER,
                "supersedes": [f"{MARK}-rare-0-{number}"],
            },
        )


def reading() -> Calls:
    explained = {"explain": True, "limit": 20}
    searches: Calls = [
        ("knowledge.search", {"query": query, "mode": mode, **explained})
        for query in QUESTIONS
        for mode in ("hybrid", "vector", "text")
    ]
    searches += [
        ("knowledge.search", {"query": QUESTIONS[1], "mode": "text", **explained, **more})
        for more in (shop(), {"include_superseded": True}, {"type": "decision"})
    ]
    other = {"project_id": OTHER}
    return [
        *searches,
        ("knowledge.search", {"query": "tea", "type": f"{MARK}-type"}),
        ("knowledge.search", {"query": MARK, "mode": "text"}),
        ("knowledge.search", {"query": "tea", **other}),
        ("knowledge.search", {"query": "tea", "project_id": ["shop", OTHER]}),
        ("knowledge.context", {"task": QUESTIONS[0]}),
        ("knowledge.context", {"task": "tea", **other}),
        ("knowledge.related", {"id": "own-0"}),
        ("knowledge.related", {"id": f"{MARK}-0"}),
        ("knowledge.related", {"id": "own-0", **other}),
        ("knowledge.query", {"limit": 3}),
        ("knowledge.query", {"limit": 3, "order_by": "id", "cursor": foreign_cursor()}),
        ("knowledge.query", {"agent": MARK}),
        ("knowledge.query", {"type": f"{MARK}-type", "include_superseded": True}),
        ("knowledge.query", other),
        ("knowledge.query", {"project_id": "no-such-project"}),
        ("knowledge.get", {"ids": ["own-0", f"{MARK}-0", "own-1", "no-such-id"]}),
        ("knowledge.stats", {}),
        ("knowledge.stats", {"project_id": "shop-web"}),
        ("knowledge.stats", other),
        ("session.start", {"session_id": "s", "project_id": "shop", "context": QUESTIONS[1]}),
        ("session.start", {"session_id": "s", **other}),
        ("session.start", {"session_id": "s"}),
        ("session.post_compaction", {"current_task": QUESTIONS[0], "project_id": "shop"}),
        ("session.post_compaction", {"current_task": QUESTIONS[0], **other}),
        ("embedding.embed", {"texts": ["tea"]}),
        ("system.ping", {}),
        ("system.status", {}),
        ("rpc.discover", {}),
    ]


def foreign_cursor() -> str:
    """As the other project's listing gives it: anybody can make one up."""
    from cco_knowledge.rpc import cursor
    from cco_knowledge.store.filters import PageStart

    made = cursor.encode(PageStart("id", True, f"{MARK}-3", f"{MARK}-3"))
    assert made is not None
    return made


def trying_to_change() -> Calls:
    """What leaves the store as it is, or should."""
    text, other = "A new text about payments", {"project_id": OTHER}
    known = f"{MARK}-0"
    new = {"text": text, "project_id": "shop"}
    return [
        ("knowledge.store", {"text": own_entries()[0]["text"], "type": "implementation", **shop()}),
        ("knowledge.store", {**new, "id": known}),
        ("knowledge.store", {**new, "id": "no-such-id"}),
        ("knowledge.store", {**new, "supersedes": [known]}),
        ("knowledge.store", {**new, "supersedes": ["no-such-id"]}),
        ("knowledge.store", {**new, "type": f"{MARK}-type"}),
        ("knowledge.store", {**new, **other}),
        ("knowledge.store", {"text": text}),
        ("knowledge.store_batch", {"items": [{**new, **other}, {**new, "id": known}]}),
        ("knowledge.update", {"id": known, "text": "taken over"}),
        ("knowledge.update", {"id": "own-0", **other}),
        ("knowledge.update", {"id": "own-0", "superseded_by": known}),
        ("knowledge.update", {"id": "own-0", "type": f"{MARK}-type"}),
        ("knowledge.delete", {"ids": [known, "no-such-id"]}),
        ("knowledge.delete", {**other, "expect": 1}),
        ("knowledge.delete", {"agent": MARK}),
        ("knowledge.delete", {"agent": MARK, "expect": 7}),
        ("knowledge.delete", {"agent": MARK, "expect": 0}),
        ("knowledge.cleanup", {"older_than_days": 0, "dry_run": True}),
        ("knowledge.cleanup", {"older_than_days": 0, **other}),
        ("knowledge.undo_migration", {"run": f"{MARK}-run"}),
        ("knowledge.migrate", {"run": "r", "dry_run": True, "items": [{"record": "r1"}]}),
        ("knowledge.import", {"items": [{**new, **other}, {**new, "id": known}]}),
        ("session.pre_compaction", {"conversation": CONVERSATION, **other}),
    ]


def shop() -> dict[str, str]:
    return {"project_id": "shop"}


def admins() -> Calls:
    """Not for a writer, limited or not."""
    return [(name, {}) for name, method in (METHODS | SYSTEM).items() if method.role == "admin"]


class Observer:
    """Everything that a limited token sees, in an order that does not change."""

    def __init__(self, daemon: Daemon, secret: str) -> None:
        self._daemon = daemon
        self._secret = secret
        self.called: set[str] = {"system.authenticate"}

    def see(self) -> list[str]:
        with With(self._daemon, self._secret) as agent:
            seen = [
                f"{method} {json.dumps(params)} → {self._answer(agent, method, params)}"
                for method, params in [*reading(), *trying_to_change(), *admins()]
            ]
            return [*seen, *self._storing(agent), *self._of_jobs(agent), *self._capture(agent)]

    def _answer(self, agent: With, method: str, params: dict[str, Any]) -> str:
        self.called.add(method)
        return without_chance(agent.response(method, params))

    def _storing(self, agent: With) -> list[str]:
        """New entries, gone again."""
        near = {"text": "We use PostgreSQL as database for payments", "type": "implementation"}
        stored = agent.response("knowledge.store", {**near, **shop()})
        listing = self._answer(agent, "knowledge.query", {"since": "2026-02-01T00:00:00Z"})
        ids = [stored["result"]["id"]]
        gone = self._answer(agent, "knowledge.delete", {"ids": ids}).replace(ids[0], "made")
        return [without_chance(stored), listing, gone]

    def _of_jobs(self, agent: With) -> list[str]:
        item = {"text": own_entries()[3]["text"], "type": "decision", "project_id": "shop-web"}
        job = agent.call("knowledge.import", {"items": [item]})
        ended = self._answer(agent, "job.wait", {"id": job["id"]})
        self.called.add("job.list")
        newest = agent.call("job.list")["jobs"][0]
        return [
            ended,
            without_chance(newest),
            *(self._answer(agent, f"job.{do}", {"id": job["id"]}) for do in ("get", "cancel")),
        ]

    def _capture(self, agent: With) -> list[str]:
        told = {"conversation": CONVERSATION, "session_id": "s9", **shop()}
        captured = agent.response("session.pre_compaction", told)
        agent.call("knowledge.delete", {"ids": captured["result"]["ids"]})
        return [without_chance(captured)]


def without_chance(answer: dict[str, Any]) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    text = re.sub(r'"(query_time_ms|uptime_s)": [\d.]+', r'"\1": 0', text)
    text = re.sub(r"\b([a-z]+)-\d{13}-[0-9a-f]{6,12}", r"\1-made", text)
    return re.sub(r"2026-1[12]-\d\dT[\d:.]+Z", "now", text)


@pytest.fixture
def limited(daemon: Daemon) -> Observer:
    stored = daemon.call("knowledge.store_batch", {"items": own_entries()})
    assert stored["failed"] == 0, stored
    daemon.call("knowledge.update", {"id": "own-1", "superseded_by": "own-3"})
    return Observer(daemon, token(daemon.home, "writer", projects=OWN))


def settled(see: Callable[[], list[str]]) -> list[str]:
    """Once what unrelated queries reach has been measured, which goes on beside the calls."""
    last: list[str] = []

    def is_the_same() -> bool:
        nonlocal last
        before, last = last, see()
        return before == last

    wait_until(is_the_same)
    return last


def test_no_answer_depends_on_another_project(daemon: Daemon, limited: Observer) -> None:
    before = settled(limited.see)
    assert limited.called == METHODS.keys() | SYSTEM.keys()
    scores = text_scores(daemon)
    store_other(daemon)
    others = listed(daemon, project_id=OTHER, limit=1000, order_by="id", include_superseded=True)
    assert text_scores(daemon) != scores  # of all projects: so this could have been seen

    after = settled(limited.see)
    for was, is_now in zip(before, after, strict=True):
        assert is_now == was
    assert others == listed(
        daemon, project_id=OTHER, limit=1000, order_by="id", include_superseded=True
    )


def text_scores(daemon: Daemon) -> list[float]:
    """As the full-text index has them, for the own user."""
    params = {"query": QUESTIONS[1], "mode": "text", "explain": True, "project_id": "shop"}
    found = daemon.call("knowledge.search", params)
    return [hit["explain"]["text"]["score"] for hit in found["results"]]


def test_what_another_project_replaced_does_not_say_by_what(
    daemon: Daemon, limited: Observer
) -> None:
    store_other(daemon)
    daemon.call("knowledge.update", {"id": "own-0", "superseded_by": f"{MARK}-0"})
    daemon.call("knowledge.update", {"id": f"{MARK}-2", "superseded_by": "own-2"})
    with With(daemon, token(daemon.home, "writer", projects=OWN)) as agent:
        (entry,) = agent.call("knowledge.get", {"ids": ["own-0"]})["entries"]
        assert entry["superseded_by"] is None
        params = {"query": QUESTIONS[0], "include_superseded": True, "explain": True}
        assert MARK not in json.dumps(agent.call("knowledge.search", params))
        assert agent.call("knowledge.update", {"id": "own-0", "text": "Changed"})["updated"]
    assert daemon.call("knowledge.get", {"ids": ["own-0"]})["entries"][0]["superseded_by"] == (
        f"{MARK}-0"
    )


def test_jobs_are_their_own_tokens(daemon: Daemon) -> None:
    mine = token(daemon.home, "writer", projects=["shop"])
    theirs = token(daemon.home, "writer", projects=[OTHER])
    item = {"text": f"{MARK} by a job", "project_id": OTHER}
    with With(daemon, theirs) as other, With(daemon, mine) as agent:
        parts = other.call("knowledge.import", {"items": [item], "more": True})
        for method in ("job.get", "job.wait", "job.cancel"):
            assert agent.reason(method, {"id": parts["id"]}) == "not_found"
        assert agent.reason("knowledge.import", {"items": [item], "job": parts["id"]}) == (
            "not_found"
        )
        assert agent.call("job.list") == {"jobs": []}
        last = other.call("knowledge.import", {"items": [], "job": parts["id"]})
        assert other.call("job.wait", {"id": last["id"]})["result"]["stored"] == 1
    assert [job["id"] for job in daemon.call("job.list")["jobs"]] == [parts["id"]]


def test_notifications_of_a_job_are_for_who_asked(daemon: Daemon) -> None:
    with With(daemon, token(daemon.home, "writer", projects=["shop"])) as agent:
        job = daemon.call("system.optimize")
        daemon.call("job.wait", {"id": job["id"]})
        agent.raw.send_line(request("system.ping"))
        assert agent.raw.line()["result"] == "pong"


def test_no_method_takes_a_path() -> None:
    """All paths are kmctl's, which acts with its caller's own rights."""
    words = re.compile(r"path|file|folder|dir$|directory|target|source|url|uri|home|socket")
    names = {
        f"{name}.{field}"
        for name, method in (METHODS | SYSTEM).items()
        for field in method.params.__struct_fields__
    }
    assert len(names) > 50
    assert [name for name in names if words.search(name.rpartition(".")[2])] == []
