"""export and import with real daemons: what goes out comes back, and is found."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from labelled_set import LabelledSet
from outcome import Kmctl

ROOT = Path(__file__).parents[2]
DEVBENCH = Path("..", "shared", "data", "devbench")
"""Relative to the root."""
RECALL_AT_5_FLOOR = 0.9
MRR_FLOOR = 0.85
NDCG_AT_10_FLOOR = 0.86


def lines_of(*entries: Mapping[str, object]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def strange_entries() -> list[dict[str, object]]:
    """More than one page of the export, and what formats tend to lose."""
    texts = ["a\u2028b\u2029c\x85d\ve", "\ufeffBOM", "e\u0301 is not \xe9", "\U0001f4a9", "\r\n\t "]
    metadata: list[dict[str, object]] = [
        {"big": 2**64, "bigger": -(10**80), "edge": [2**63 - 1, -(2**63), 2**53 + 1]},
        {"float": [0.1, 1.0, -0.0, 1e300, 5e-324, 2.5e-10], "true": [True, None, "1"]},
        {"": {}, "\u2028": [[], [[]]], "b": 1, "a": 2, "text": '{"a": 1}'},
        {"many": {str(n): n for n in range(300)}},
    ]
    strange: list[dict[str, object]] = [{"text": text} for text in texts]
    strange += [{"text": "with metadata", "metadata": facts} for facts in metadata]
    strange += [
        {"text": "twice"},
        {"text": "twice"},
        {"text": "old", "timestamp": "0001-01-01T00:00:00.000Z", "type": "credential"},
        {"text": "of others", "project_id": 'it\'s "x"; --', "session_id": "s", "agent": "\u2028"},
    ]
    strange += [{"text": f"filling {n}"} for n in range(200)]
    return [{"id": f"n/{n:03}'\"\xe4", **entry} for n, entry in enumerate(strange)]


def test_an_export_imported_elsewhere_and_exported_again_is_the_same_file(
    kmctl: Kmctl, other_kmctl: Kmctl, tmp_path: Path
) -> None:
    entries = strange_entries()
    assert kmctl("start", "--detach").code == 0
    report = kmctl.json("import", "-", data=lines_of(*entries))
    assert (report["read"], report["stored"]) == (len(entries), len(entries))
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert kmctl.json("export", str(first))["exported"] == len(entries)
    exported = [json.loads(line) for line in first.read_bytes().splitlines()]
    for given, came in zip(entries, exported, strict=True):
        assert json.dumps(given) == json.dumps({name: came[name] for name in given})
    assert other_kmctl("start", "--detach").code == 0
    assert other_kmctl("import", str(first)).out == (
        f"{len(entries)} read, {len(entries)} stored, 0 unchanged, 0 failed\n"
    )
    assert other_kmctl("export", str(second)).code == 0
    assert second.read_bytes() == first.read_bytes()


def test_importing_the_same_file_again_changes_nothing(
    shared_kmctl: Kmctl, project: str, tmp_path: Path
) -> None:
    source = tmp_path / "source.jsonl"
    source.write_bytes(lines_of(*({"text": f"{n}", "project_id": project} for n in range(3))))
    assert shared_kmctl.json("import", str(source))["stored"] == 3
    exported = shared_kmctl("export", "-", "--project", project).out
    again = shared_kmctl.json("import", str(source))
    assert (again["stored"], again["unchanged"], again["failed"]) == (0, 3, 0)
    assert shared_kmctl("export", "-", "--project", project).out == exported


def test_import_reports_the_lines_that_the_daemon_refuses_and_stores_the_others(
    shared_kmctl: Kmctl, project: str
) -> None:
    entries: list[dict[str, object]] = [
        {"text": "good"},
        {"text": "x", "type": "patern"},
        {"text": "y" * (256 * 1024 + 1)},
        {"text": "z", "unknown": 1},
        {"text": "also good"},
    ]
    data = lines_of(*({"project_id": project, **entry} for entry in entries)) + b"caf\xe9\n"
    outcome = shared_kmctl("import", "-", "--json", data=data)
    assert outcome.code == 1
    assert [(error["line"], error["reason"]) for error in outcome.json["errors"]] == [
        (2, "invalid_params"),
        (3, "invalid_params"),
        (4, "invalid_params"),
        (6, "parse_error"),
    ]
    found = shared_kmctl.json("query", "--project", project, "--order-by", "id")["results"]
    assert {entry["text"] for entry in found} == {"good", "also good"}


@pytest.mark.skipif(not (ROOT / DEVBENCH).is_dir(), reason=f"no labelled set at {DEVBENCH}")
def test_labelled_queries_find_what_their_labels_say(shared_kmctl: Kmctl) -> None:
    labelled = LabelledSet.read(ROOT / DEVBENCH)
    report = shared_kmctl.json("import", str(DEVBENCH / "corpus.jsonl"), cwd=ROOT)
    assert (report["stored"], report["failed"]) == (labelled.n_entries, 0)

    def rank(query: str) -> list[str]:
        found = shared_kmctl.json("search", query, "--project", "devbench")
        return [hit["id"] for hit in found["results"]]

    scores = labelled.scores(rank)
    sys.stdout.write(f"devbench: {scores}\n")
    assert scores.recall_at_5 >= RECALL_AT_5_FLOOR
    assert scores.mrr >= MRR_FLOOR
    assert scores.ndcg_at_10 >= NDCG_AT_10_FLOOR
