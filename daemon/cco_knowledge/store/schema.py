"""The table's columns, and entries to rows and back.

The first nine columns are those of the Node.js tool that this daemon replaces. `vector` is the
first passage's; a long text has its further passages in `passages`, so that an entry is one row
and changes in one commit. `terms` holds what full-text search looks through.
"""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from cco_knowledge.credentials.vault import value_digest
from cco_knowledge.errors import StartRefused
from cco_knowledge.store.metadata import metadata_digests
from cco_knowledge.store.native import pa
from cco_knowledge.terms import terms
from cco_knowledge.types import EmbeddedEntry, Entry, ModelIdentity, Passage, Vector
from cco_knowledge.vectors import cosine

SCHEMA_VERSION = 4

ENTRY_COLUMNS = (
    "id",
    "text",
    "type",
    "project_id",
    "session_id",
    "agent",
    "timestamp",
    "metadata",
    "superseded_by",
    "superseded_at",
    "migration_run",
    "migration_record",
    "sealed",
)
EMBEDDED_COLUMNS = (*ENTRY_COLUMNS, "vector", "passages", "passage_spans")
DERIVED_COLUMNS = ("content_digest", "metadata_digests", "terms")
"""What is computed from the entry's own columns."""
ALL_COLUMNS = (*EMBEDDED_COLUMNS, *DERIVED_COLUMNS)
_REQUIRED_COLUMNS = ENTRY_COLUMNS[1:8]
_DIGEST_BYTES = 16


def table_schema(model: ModelIdentity) -> Any:
    """The Arrow schema; its metadata say which model's vectors these are."""
    vector = pa.list_(pa.float32(), model.dim)
    texts = ((name, pa.string()) for name in _REQUIRED_COLUMNS)
    required = [("id", pa.string()), ("vector", vector), *texts]
    return pa.schema(
        [
            *(pa.field(name, kind, nullable=False) for name, kind in required),
            pa.field("content_digest", pa.binary(_DIGEST_BYTES), nullable=False),
            pa.field("metadata_digests", pa.list_(pa.int64()), nullable=False),
            pa.field("passages", pa.list_(vector)),
            pa.field("passage_spans", pa.list_(pa.int32()), nullable=False),
            pa.field("terms", pa.string(), nullable=False),
            pa.field("superseded_by", pa.string()),
            pa.field("superseded_at", pa.string()),
            pa.field("migration_run", pa.string()),
            pa.field("migration_record", pa.string()),
            pa.field("sealed", pa.binary()),
        ],
        metadata={
            "cco.schema_version": str(SCHEMA_VERSION),
            "cco.model": orjson.dumps(
                {"name": model.name, "sha256": model.sha256, "dim": model.dim}
            ),
        },
    )


def check_schema(schema: Any, model: ModelIdentity) -> int:
    """The table's schema version, this one or an older one.

    Raises:
        StartRefused: a newer one, another model's vectors, or not a table of this daemon.
    """
    facts = schema.metadata or {}
    version = facts.get(b"cco.schema_version")
    if version is None:
        raise StartRefused(
            "The table `knowledge` was not written by this daemon. Move the folder `knowledge` "
            "out of the home and start again."
        )
    if int(version) > SCHEMA_VERSION:
        raise StartRefused(
            f"The store has schema version {int(version)} and this daemon knows "
            f"{SCHEMA_VERSION}. Start the version of cco-knowledge that wrote it."
        )
    stored = ModelIdentity(**orjson.loads(facts[b"cco.model"]))
    if stored != model:
        raise StartRefused(
            f"The store holds vectors of {_described(stored)}; the configured model is "
            f"{_described(model)}. Vectors of two models cannot be compared, so they are never "
            "mixed. Either start with the store's own model (CCO_KNOWLEDGE_MODEL or [model] name "
            "in knowledge.toml), or start it once more to run `kmctl export FILE`, and then "
            "`kmctl import FILE` into a new home that has the new model."
        )
    return int(version)


def _described(model: ModelIdentity) -> str:
    return f"{model.name} (sha256 {model.sha256[:12]}…, {model.dim} dimensions)"


def content_digest(entry: Entry) -> bytes:
    """Equal for the same text, type, project and sealed value."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    parts = [part.encode() for part in (entry.type, entry.project_id, entry.text)]
    if entry.sealed is not None:
        parts.append(value_digest(entry.sealed))
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


def to_batch(entries: Sequence[EmbeddedEntry], schema: Any) -> Any:
    """One row an entry, as an Arrow record batch."""
    dim = schema.field("vector").type.list_size
    rows = [embedded.entry for embedded in entries]
    columns = {
        "vector": _vectors([embedded.passages[0].vector for embedded in entries], dim),
        **{
            name: pa.array([getattr(row, name) for row in rows], pa.string())
            for name in ENTRY_COLUMNS
            if name not in {"metadata", "sealed"}
        },
        "metadata": pa.array([row.metadata.decode() for row in rows], pa.string()),
        "sealed": pa.array([row.sealed for row in rows], pa.binary()),
        "content_digest": pa.array(map(content_digest, rows), pa.binary(_DIGEST_BYTES)),
        "metadata_digests": pa.array(
            [metadata_digests(msgspec.json.decode(row.metadata)) for row in rows],
            pa.list_(pa.int64()),
        ),
        "passages": _further_passages(entries, dim),
        "passage_spans": pa.array([_spans(e.passages) for e in entries], pa.list_(pa.int32())),
        "terms": pa.array([" ".join(terms(row.text)) for row in rows], pa.string()),
    }
    return pa.record_batch([columns[field.name] for field in schema], schema=schema)


def to_entries(batch: Any) -> list[Entry]:
    rows = batch.select(ENTRY_COLUMNS).to_pylist()
    return [Entry(**{**row, "metadata": row["metadata"].encode()}) for row in rows]


def to_cosines(batch: Any, vector: Vector) -> dict[str, float]:
    """Of each row's first passage, by id."""
    rows = zip(batch.column("id").to_pylist(), vector_list(batch.column("vector")), strict=True)
    return {entry_id: cosine(vector, first) for entry_id, first in rows}


def superseded(row: Any, by: Entry) -> Any:
    """A one-row batch of all columns, marked as replaced; hidden since its first successor came."""
    since = row.column("superseded_at")[0].as_py() or by.timestamp
    for name, value in {"superseded_by": by.id, "superseded_at": since}.items():
        at = row.schema.get_field_index(name)
        row = row.set_column(at, row.schema.field(name), pa.array([value], pa.string()))
    return row


def to_embedded(batch: Any) -> list[EmbeddedEntry]:
    """Of a batch of at least `EMBEDDED_COLUMNS`."""
    rows = zip(
        to_entries(batch),
        vector_list(batch.column("vector")),
        batch.column("passages"),
        batch.column("passage_spans").to_pylist(),
        strict=True,
    )
    return [
        EmbeddedEntry(entry, _passages(first, further, spans))
        for entry, first, further, spans in rows
    ]


def _passages(first: Vector, further: Any, spans: Sequence[int]) -> list[Passage]:
    vectors = [first, *(vector_list(further.values) if further.is_valid else ())]
    bounds = zip(spans[::2], spans[1::2], vectors, strict=True)
    return [Passage(start, end, vector) for start, end, vector in bounds]


def _vectors(vectors: Sequence[Vector], dim: int) -> Any:
    """Passage vectors as one fixed-size list array, without a number passing through Python."""
    values = pa.Array.from_buffers(
        pa.float32(), len(vectors) * dim, [None, pa.py_buffer(b"".join(vectors))]
    )
    return pa.FixedSizeListArray.from_arrays(values, dim)


def _further_passages(entries: Sequence[EmbeddedEntry], dim: int) -> Any:
    """Null where the first passage is the whole text, so that a search can skip the row."""
    further = [embedded.passages[1:] for embedded in entries]
    ends = list(itertools.accumulate(map(len, further), initial=0))
    offsets = [end if passages else None for end, passages in zip(ends, further, strict=False)] + [
        ends[-1]
    ]
    vectors = [passage.vector for passages in further for passage in passages]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _vectors(vectors, dim))


def _spans(passages: Sequence[Passage]) -> list[int]:
    return [bound for passage in passages for bound in (passage.start, passage.end)]


def given(column: Any) -> list[Any]:
    """Those of the values that are not null.

    Not with `drop_null`: it imports pyarrow.compute, 0.1 s and 10 MB.
    """
    return [value for value in column.to_pylist() if value is not None]


def vector_list(vectors: Any) -> list[Vector]:
    """The vectors of a fixed-size list array.

    Not with `flatten`, for the same reason.
    """
    values, dim = vectors.values, vectors.type.list_size
    width = dim * values.type.bit_width // 8
    start = (values.offset // dim + vectors.offset) * width
    everything = values.buffers()[1].slice(start, len(vectors) * width).to_pybytes()
    return [Vector(everything[at : at + width]) for at in range(0, len(everything), width)]
