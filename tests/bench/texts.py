"""Seeded texts of developer knowledge: varied words, no two alike."""

import random

_SUBJECTS = [
    "the auth service",
    "our payment worker",
    "the nightly importer",
    "the search index",
    "the mobile client",
    "the session cache",
    "the billing table",
    "the deploy script",
    "the feature flag store",
    "the CI runner",
    "the websocket gateway",
    "the thumbnail job",
    "the audit log",
    "the rate limiter",
    "the config loader",
]
_VERBS = [
    "uses",
    "replaces",
    "reads",
    "retries",
    "caches",
    "rejects",
    "migrates",
    "validates",
    "compresses",
    "shards",
    "locks",
    "streams",
    "batches",
    "encrypts",
    "rolls back",
    "throttles",
    "indexes",
    "mirrors",
]
_OBJECTS = [
    "PostgreSQL rows",
    "JWT tokens",
    "Redis keys",
    "LanceDB vectors",
    "protobuf messages",
    "S3 objects",
    "Kafka offsets",
    "YAML settings",
    "TLS certificates",
    "SQL migrations",
    "user avatars",
    "stack traces",
    "HTTP headers",
    "unit tests",
    "Docker layers",
    "feature toggles",
    "retry budgets",
    "email templates",
]
_REASONS = [
    "because latency mattered more than throughput",
    "after the outage in March",
    "so that agents never block",
    "which halved the memory",
    "as the auditors asked",
    "until the new schema lands",
    "since timeouts were swallowed",
    "to keep the binary small",
    "because two writers corrupted it",
    "and the old path is gone",
    "for every tenant alone",
    "when the queue is longer than it should be",
]


def texts(count: int, *, words: tuple[int, int], seed: int) -> list[str]:
    """`count` different texts of between `words[0]` and `words[1]` words."""
    random_source = random.Random(seed)
    return [_text(random_source, number, words) for number in range(count)]


def _text(random_source: random.Random, number: int, words: tuple[int, int]) -> str:
    wanted = random_source.randint(*words)
    parts = [f"Note {number}:"]
    while len(" ".join(parts).split()) < wanted:
        parts += [random_source.choice(group) for group in (_SUBJECTS, _VERBS, _OBJECTS, _REASONS)]
    return " ".join(" ".join(parts).split()[:wanted])
