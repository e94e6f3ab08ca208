"""export and import with real daemons: what goes out comes back, and is found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from outcome import Kmctl


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
    strange += [old_entry(record) for record in ("1", "2")]
    return [{"id": f"n/{n:03}'\"\xe4", **entry} for n, entry in enumerate(strange)]


def old_entry(record: str) -> dict[str, object]:
    """What a migration brought may be what no store of today takes."""
    return {
        "text": "nul\0after",
        "type": "line\nbreak",
        "project_id": "p",
        "session_id": "s",
        "agent": "\t",
        "timestamp": "2025-11-13T09:00:08.000Z",
        "metadata": {"_legacy": {"long": "x" * 100_000}},
        "superseded_by": None,
        "migration": {"run": "2026-11", "record": record},
    }


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


# What others have replaced


Chain = tuple[str, str, str]


@pytest.fixture
def chain(shared_kmctl: Kmctl, project: str) -> Chain:
    """Three entries, each replaced by the next one."""
    one, two, three = (f"{project}-{name}" for name in "abc")
    replaced: list[tuple[str, list[str]]] = [(one, []), (two, [one]), (three, [two])]
    data = lines_of(
        *(
            {"id": new, "text": f"text of {new}", "project_id": project, "supersedes": old}
            for new, old in replaced
        )
    )
    assert shared_kmctl.json("import", "-", data=data)["stored"] == 3
    return one, two, three


def exported(kmctl: Kmctl, project: str) -> dict[str, dict[str, Any]]:
    lines = kmctl("export", "-", "--project", project).out.splitlines()
    return {entry["id"]: entry for entry in map(json.loads, lines)}


def test_a_chain_is_exported_whole_and_comes_back(
    shared_kmctl: Kmctl, other_kmctl: Kmctl, project: str, chain: Chain, tmp_path: Path
) -> None:
    one, two, three = chain
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert shared_kmctl.json("export", str(first), "--project", project)["exported"] == 3
    entries = exported(shared_kmctl, project)
    successors = {entry_id: entry["superseded_by"] for entry_id, entry in entries.items()}
    assert successors == {one: three, two: three, three: None}
    assert other_kmctl("start", "--detach").code == 0
    report = other_kmctl.json("import", str(first))
    assert (report["stored"], report["unchanged"], report["failed"]) == (3, 0, 0)
    assert other_kmctl("export", str(second)).code == 0
    assert second.read_bytes() == first.read_bytes()
    found = other_kmctl.json("query", "--project", project)
    assert [entry["id"] for entry in found["results"]] == [three]
    again = other_kmctl.json("import", str(first))
    assert (again["stored"], again["unchanged"], again["failed"]) == (0, 3, 0)


def test_importing_a_chain_where_it_is_already_leaves_its_links(
    shared_kmctl: Kmctl, project: str, chain: Chain
) -> None:
    """The newest comes with the export, while each link goes to the next."""
    data = shared_kmctl("export", "-", "--project", project).out.encode()
    assert shared_kmctl.json("import", "-", data=data)["unchanged"] == 3
    assert shared_kmctl.json("delete", chain[2])["deleted"] == 1
    assert exported(shared_kmctl, project)[chain[0]]["superseded_by"] == chain[1]


def test_an_import_supersedes_what_was_there_before(shared_kmctl: Kmctl, project: str) -> None:
    old, new = ({"id": f"{project}-{n}", "text": f"{n}", "project_id": project} for n in range(2))
    assert shared_kmctl.json("import", "-", data=lines_of(old, new))["stored"] == 2
    data = lines_of({**old, "superseded_by": new["id"]}, new)
    report = shared_kmctl.json("import", "-", data=data)
    assert (report["stored"], report["unchanged"]) == (1, 1)
    assert exported(shared_kmctl, project)[old["id"]]["superseded_by"] == new["id"]


def test_import_reports_what_it_cannot_supersede(shared_kmctl: Kmctl, project: str) -> None:
    entries: list[dict[str, object]] = [
        {"text": "good", "id": f"{project}-0"},
        {"text": "of one that is nowhere", "id": f"{project}-1", "superseded_by": "no-such-id"},
        {"text": "of itself", "id": f"{project}-2", "superseded_by": f"{project}-2"},
        {"text": "of no id", "id": f"{project}-3", "superseded_by": [1]},
        {"text": "has none itself", "superseded_by": f"{project}-0"},
    ]
    data = lines_of(*({"project_id": project, **entry} for entry in entries))
    outcome = shared_kmctl("import", "-", "--json", data=data)
    assert outcome.code == 1
    report = outcome.json
    assert (report["read"], report["stored"], report["failed"]) == (5, 1, 4)
    assert [(error["line"], error["reason"]) for error in report["errors"]] == [
        (2, "not_found"),
        (3, "conflict"),
        (4, "invalid_params"),
        (5, "invalid_params"),
    ]
    assert "not superseded" in report["errors"][0]["message"]
    assert len(exported(shared_kmctl, project)) == 3, "what is refused is not stored"
