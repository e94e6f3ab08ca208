"""Results of every method: their shapes, and what `rpc.discover` says of them.

They are plain dicts when the daemon runs. mypy holds the code to them, and tests hold what a
daemon answers to the JSON Schemas that are made of them.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from cco_knowledge.rpc.described import about, refer
from cco_knowledge.tokens import Role

Id = Annotated[str, about("The entry's id.")]
Similarity = Annotated[float, about("Cosine of the nearest passage, -1 to 1.")]
Timestamp = Annotated[str, about("RFC 3339 in UTC with milliseconds.")]
Project = Annotated[str, about("Which project it belongs to.")]
JsonObject = Annotated[Any, about("The JSON object that was stored, equal.", type="object")]
Counts = dict[str, int]
Pong = Annotated[Literal["pong"], about("The daemon lives.")]


class Similar(TypedDict):
    id: Id
    timestamp: Timestamp
    similarity: Similarity


class Redaction(TypedDict):
    field: Annotated[str, about("`text`, or the place in the metadata, as `metadata.a.b`.")]
    kind: Annotated[str, about("What kind of secret it looked like.")]
    count: Annotated[int, about("How many were replaced by a marker.")]


Redactions = Annotated[
    list[Redaction], about("What looked like a secret and was not stored, never the value.")
]


class Stored(TypedDict):
    id: Annotated[str, about("The id of the entry that now has this text.")]
    stored: Annotated[bool, about("False where the same was there already.")]
    duplicate_of: Annotated[str | None, about("The id of what was there already.")]
    timestamp: Timestamp
    similar: Annotated[
        list[Similar],
        about("Older ones of the same project and type that nearly say the same, nearest first."),
    ]
    redactions: Redactions
    sealed: NotRequired[
        Annotated[
            bool,
            about("Of a credential: its value is sealed; false where none was found in it."),
        ]
    ]


class Revealed(TypedDict):
    value: Annotated[str, about("The secret; several are lines, in the order of their marks.")]


class Error(TypedDict):
    code: Annotated[int, about("As of a JSON-RPC error.")]
    message: Annotated[str, about("For people.")]
    data: Annotated[dict[str, Any], about("`reason`, `retryable`, and what else helps.")]


class Failed(TypedDict):
    error: Annotated[Error, about("Why this item was not stored.")]


Item = Annotated[Any, msgspec.Meta(extra_json_schema={"anyOf": [refer("Stored"), refer("Failed")]})]


class Batch(TypedDict):
    stored: Annotated[int, about("How many items became new entries.")]
    failed: Annotated[int, about("How many items were refused.")]
    results: Annotated[list[Item], about("One for each item, in their order.")]


class Migration(TypedDict):
    run: Annotated[str, about("Which migration brought it.")]
    record: Annotated[str, about("A digest of the old record that it was.")]


class Entry(TypedDict):
    id: Id
    text: Annotated[str, about("The text, whole.")]
    type: Annotated[str, about("What kind of knowledge it is.")]
    project_id: Project
    session_id: Annotated[str, about("In which session it was learnt.")]
    agent: Annotated[str, about("Who learnt it.")]
    timestamp: Timestamp
    metadata: JsonObject
    superseded_by: Annotated[
        str | None, about("The id of the newest entry of those that replaced this one.")
    ]
    migration: NotRequired[Annotated[Migration, about("Where a migration brought it.")]]
    sealed: NotRequired[
        Annotated[
            str,
            about("Where the text holds `[sealed]`: the value, encrypted; see `knowledge.reveal`."),
        ]
    ]


class Standing(TypedDict):
    rank: Annotated[int, about("The place in this list, from 1.")]
    score: Annotated[float, about("The cosine, or BM25.")]
    scaled: Annotated[float, about("That score on the scale of all candidates, 0 to 1.")]


class Explanation(TypedDict):
    vector: Annotated[Standing | None, about("The place among the nearest by meaning.")]
    text: Annotated[Standing | None, about("The place among the best by words.")]
    fusion: Annotated[float | None, about("What both lists add to the score.")]
    recency: Annotated[float | None, about("What its age adds to the score.")]
    superseded_by: Annotated[str | None, about("The id of the entry that replaced it.")]
    supersedes: Annotated[list[str], about("The ids of the entries it replaced.")]
    evidence: Annotated[
        float | None, about("How far it is from chance; null beyond the first ten hits.")
    ]


class Hit(Entry):
    score: Annotated[float, about("0 to 1, higher is better: the order of the hits.")]
    similarity: Similarity
    passage: Annotated[
        str | None, about("What of a long text matched; null where the text is short.")
    ]
    explain: NotRequired[Annotated[Explanation, about("Where `explain` was asked for.")]]


class Hits(TypedDict):
    results: Annotated[list[Hit], about("Best first.")]
    count: Annotated[int, about("How many hits there are.")]
    covered: Annotated[
        bool, about("False: nothing stored answers, the hits are merely the nearest.")
    ]
    query_time_ms: Annotated[float, about("How long the search took.")]


class Context(TypedDict):
    text: Annotated[str, about("Quoted, dated and sourced; empty where nothing stored helps.")]
    entries: Annotated[list[Hit], about("Those in the text, in its order.")]
    tokens: Annotated[int, about("What the text takes, in tokens of the daemon's model.")]


class Page(TypedDict):
    results: Annotated[list[Entry], about("The entries of this page.")]
    total: Annotated[int, about("All that the filters select.")]
    next_cursor: Annotated[str | None, about("For the next page; null after the last one.")]


class Found(TypedDict):
    entries: Annotated[list[Entry], about("Those that exist, in the order of `ids`.")]
    missing: Annotated[list[str], about("The ids that nothing has.")]


class Updated(TypedDict):
    id: Id
    updated: Annotated[bool, about("False where nothing differed.")]
    redactions: Redactions


class Deleted(TypedDict):
    deleted: Annotated[int, about("How many entries are gone.")]


class Storage(TypedDict):
    bytes: Annotated[int, about("Size on the disk.")]
    fragments: Annotated[int, about("Data files of the table.")]
    versions: Annotated[int, about("Versions of the table that are kept.")]
    unindexed_rows: Annotated[int, about("Rows that the indexes do not hold yet.")]


class Model(TypedDict):
    name: Annotated[str, about("The model's name.")]
    sha256: Annotated[str, about("Of the model's file.")]
    dim: Annotated[int, about("Numbers in a vector.")]


class Stats(TypedDict):
    total_records: Annotated[int, about("Entries, exactly.")]
    by_type: Annotated[Counts, about("Entries of each type.")]
    by_agent: Annotated[Counts, about("Entries of each agent.")]
    by_project: Annotated[Counts, about("Entries of each project.")]
    oldest_record: Annotated[str | None, about("The oldest timestamp.")]
    newest_record: Annotated[str | None, about("The newest timestamp.")]
    storage: Annotated[
        Storage | None,
        about("The database, over all projects; null for a token that is limited to some."),
    ]
    model: Annotated[Model, about("What the vectors were made with.")]


class Cleaned(TypedDict):
    count: Annotated[int, about("How many were deleted, or would be.")]
    ids: Annotated[list[str], about("Their ids.")]


class Summary(TypedDict):
    total_items: Annotated[int, about("Entries of the project that are current.")]
    by_type: Annotated[Counts, about("Of them, by type.")]
    by_agent: Annotated[Counts, about("Of them, by agent.")]
    top_decisions: Annotated[
        list[str], about("The five newest decisions, each cut to 100 characters.")
    ]
    recent_activity: Annotated[
        list[str], about("The three newest entries, each cut to 80 characters.")
    ]


class SessionStart(TypedDict):
    recent_knowledge: Annotated[
        list[Entry], about("What answers the context, if there is one, then the newest.")
    ]
    summary: Annotated[Summary, about("The project in short.")]


class PreCompaction(TypedDict):
    success: Annotated[Literal[True], about("What goes wrong is an error.")]
    count: Annotated[int, about("How many entries were stored.")]
    ids: Annotated[list[str], about("Their ids, in the order of the conversation.")]


class PostCompaction(TypedDict):
    search_results: Annotated[
        list[Hit], about("What answers the task, best first; empty where nothing does.")
    ]
    recent_knowledge: Annotated[list[Entry], about("The five newest entries of the project.")]
    summary: Annotated[Summary, about("The project in short.")]


class Embedded(TypedDict):
    vectors: Annotated[
        list[list[float]], about("One for each text, in order: `dim` numbers, of length 1.")
    ]
    dim: Annotated[int, about("Numbers in a vector.")]
    model: Annotated[str, about("The model's name.")]


class Queue(TypedDict):
    threads: Annotated[int, about("Texts that are embedded at the same time, beside a short one.")]
    queued: Annotated[int, about("Passages that wait or are worked on.")]
    cache_size: Annotated[int, about("Vectors kept for texts that come again.")]
    cache_hits: Annotated[int, about("Passages that were found there.")]
    cache_misses: Annotated[int, about("Passages that were not.")]


class Maintenance(TypedDict):
    compactions: Annotated[int, about("Times that small files were folded since the start.")]
    failures: Annotated[int, about("Times that this failed.")]
    failures_in_a_row: Annotated[int, about("Since the last time that it did not.")]
    last_failure: Annotated[
        str | None, about("The reason, as in an error's `data.reason`, while it fails.")
    ]


class Backups(TypedDict):
    newest: Annotated[str | None, about("The name of the newest one in the home.")]
    newest_at: Annotated[str | None, about("When it was made.")]
    is_current: Annotated[bool, about("Nothing has changed since.")]
    next_at: Annotated[str | None, about("When the next is due; null: none is scheduled.")]
    failed_at: Annotated[str | None, about("When the last scheduled one failed, if it did.")]


class Backup(TypedDict):
    name: Annotated[str, about("Its folder in `backups` of the home.")]
    created: Annotated[str, about("The moment that it holds.")]
    kind: Annotated[
        Literal["manual", "scheduled", "upgrade"], about("Only scheduled ones are ever removed.")
    ]
    rows: Annotated[int, about("Entries in it.")]
    bytes: Annotated[int, about("Of all its files, most of which the store shares.")]
    files: Annotated[int, about("How many they are.")]
    software: Annotated[str, about("The version of the daemon that made it.")]
    schema_version: Annotated[int, about("Of the table.")]
    table_version: Annotated[int, about("The last commit in it.")]
    model: Annotated[Model, about("What the vectors were made with.")]


class Status(TypedDict):
    version: Annotated[str, about("The daemon's version.")]
    pid: Annotated[int, about("The daemon's process id.")]
    uptime_s: Annotated[float, about("Seconds since it was started.")]
    ready: Annotated[bool, about("False while the model and the store are opened.")]
    model: Annotated[Model | None, about("What it embeds with; null while it loads.")]
    socket: Annotated[str, about("Where it listens.")]
    home: Annotated[str, about("Its home.")]
    connections: Annotated[
        int | None,
        about(
            "Connections that are open. This and what follows, which others cause, is null for a "
            "token that is limited to projects."
        ),
    ]
    queue: Annotated[int | None, about("Passages that wait for the model or are worked on.")]
    embedding: Annotated[Queue | None, about("The model at work; null while it loads.")]
    maintenance: Annotated[
        Maintenance | None, about("The upkeep of the table; null while it is opened.")
    ]
    rss_bytes: Annotated[int | None, about("Memory that the process holds.")]
    backups: Annotated[Backups | None, about("Of the store; null while it loads.")]
    credential_key: Annotated[
        Literal["ready", "unused", "missing", "damaged", "other"] | None,
        about("Of the sealed values; `other`: not the one that sealed them. Null while it loads."),
    ]


class Authenticated(TypedDict):
    name: Annotated[str, about("The token's name.")]
    role: Annotated[Role, about("What it may do; see the roles of the methods.")]
    projects: Annotated[list[str] | None, about("Those that it is limited to; null: none.")]


class Stopping(TypedDict):
    stopping: Annotated[Literal[True], about("It answers what it has accepted, then it ends.")]
    pid: Annotated[int, about("Of the process that ends.")]


class Reloaded(TypedDict):
    applied: Annotated[list[str], about("Settings whose new value is in force now.")]
    restart_needed: Annotated[list[str], about("Those that changed and wait for a restart.")]


class JobFailure(TypedDict):
    reason: Annotated[str, about("As in an error's `data.reason`.")]
    message: Annotated[str, about("What happened, and what to do.")]
    retryable: Annotated[bool, about("Whether starting it again may help.")]


class Job(TypedDict):
    id: Annotated[str, about("Its id.")]
    kind: Annotated[
        str, about("What it does: `import`, `migrate`, `optimize`, `verify`, `backup`, `scrub`.")
    ]
    state: Annotated[
        Literal["receiving", "running", "done", "failed", "cancelled", "interrupted"],
        about("`interrupted`: the daemon stopped before the job was done."),
    ]
    created_at: Annotated[str, about("When it was asked for, RFC 3339 UTC.")]
    done: Annotated[int, about("How much is done, in the job's own unit.")]
    total: Annotated[int | None, about("How much there is; null while that is unknown.")]
    finished_at: Annotated[str | None, about("When it ended; null before.")]
    result: Annotated[dict[str, Any] | None, about("What it gave, once it is `done`.")]
    error: Annotated[JobFailure | None, about("Why it is not `done`, where something went wrong.")]
    token: Annotated[
        str | None, about("The id of the token with which it was asked for; null: without one.")
    ]


class Jobs(TypedDict):
    jobs: Annotated[list[Job], about("The newest first; the last hundred that have ended.")]


class Document(TypedDict):
    """An OpenRPC document; its own schema is https://meta.open-rpc.org/."""

    openrpc: Annotated[str, about("The version of OpenRPC.")]
    info: Annotated[dict[str, Any], about("Title, version and licence.")]
    servers: Annotated[list[dict[str, Any]], about("Where the daemon is reached.")]
    methods: Annotated[list[dict[str, Any]], about("Every method, its examples in story order.")]
    components: Annotated[dict[str, Any], about("Shapes and errors that methods refer to.")]
