from cco_knowledge import __version__
from cco_knowledge.rpc.examples.example import MODEL, Example

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "embedding.embed": (
        Example(
            "One query",
            {"texts": ["which database"], "kind": "query"},
            {
                "vectors": [[0.03788887, -0.09534577, -0.08322716]],
                "dim": 384,
                "model": "all-MiniLM-L6-v2",
            },
            varies=("vectors", "dim", "model"),
            description="The vector is cut to three numbers here.",
        ),
    ),
    "system.ping": (Example("A sign of life", {}, "pong"),),
    "system.status": (
        Example(
            "A daemon that is ready",
            {},
            {
                "version": __version__,
                "pid": 2196,
                "uptime_s": 86.902,
                "ready": True,
                "model": MODEL,
                "socket": "/home/ada/.cco/knowledge.sock",
                "home": "/home/ada/.cco",
                "connections": 1,
                "queue": 0,
                "embedding": {
                    "threads": 2,
                    "queued": 0,
                    "cache_size": 70,
                    "cache_hits": 1,
                    "cache_misses": 70,
                },
                "maintenance": {
                    "compactions": 3,
                    "failures": 0,
                    "failures_in_a_row": 0,
                    "last_failure": None,
                },
                "rss_bytes": 181362688,
                "backups": {
                    "newest": "20261126T093012Z-scheduled",
                    "newest_at": "2026-11-26T09:30:12.431Z",
                    "is_current": False,
                    "next_at": "2026-11-27T09:30:12.431Z",
                    "failed_at": None,
                },
                "credential_key": "unused",
            },
            varies=(
                *("pid", "uptime_s", "model", "socket", "home", "connections", "queue"),
                *("embedding", "maintenance", "rss_bytes", "backups", "credential_key"),
            ),
        ),
    ),
    "knowledge.import": (
        Example(
            "The first part of many entries",
            {
                "items": [{"text": "The cart is kept in the browser.", "project_id": "shop"}],
                "more": True,
            },
            {
                "id": "import-1795792400074-da32f0",
                "kind": "import",
                "state": "receiving",
                "created_at": "2026-11-27T15:13:20.074Z",
                "done": 0,
                "total": None,
                "finished_at": None,
                "result": None,
                "error": None,
                "token": None,
            },
            varies=("id", "created_at"),
            description="Nothing is stored before the last part has come; without it, nothing is.",
        ),
    ),
    "system.optimize": (
        Example(
            "Before a backup",
            {},
            {
                "id": "optimize-1795792400074-da32f0",
                "kind": "optimize",
                "state": "running",
                "created_at": "2026-11-27T15:13:20.074Z",
                "done": 0,
                "total": None,
                "finished_at": None,
                "result": None,
                "error": None,
                "token": None,
            },
            varies=("id", "created_at"),
            description="The `result` has `before` and `after`, each as in `storage` of the stats.",
        ),
    ),
    "system.verify": (
        Example(
            "After a crash of the machine",
            {},
            {
                "id": "verify-1795792400074-da32f0",
                "kind": "verify",
                "state": "running",
                "created_at": "2026-11-27T15:13:20.074Z",
                "done": 0,
                "total": None,
                "finished_at": None,
                "result": None,
                "error": None,
                "token": None,
            },
            varies=("id", "created_at"),
            description="The `result` has what was looked at, and `problems`.",
        ),
    ),
    "job.list": (Example("What there is", {}, {"jobs": []}, varies=("jobs",)),),
    "system.reload": (
        Example(
            "Nothing has changed",
            {},
            {"applied": [], "restart_needed": []},
        ),
    ),
    "rpc.discover": (
        Example(
            "This document",
            {},
            {
                "openrpc": "1.3.2",
                "info": {"title": "CCO Knowledge", "version": __version__},
                "servers": [],
                "methods": [],
                "components": {},
            },
            varies=("info", "servers", "methods", "components"),
            description="Most of it is cut here.",
        ),
    ),
}
