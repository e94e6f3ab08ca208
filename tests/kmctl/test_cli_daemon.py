"""Every command that needs a daemon, against a real one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from outcome import Kmctl

ENTRY_FIELDS = [
    *("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"),
    "superseded_by",
]
HIT_FIELDS = [*ENTRY_FIELDS, "score", "similarity", "passage"]
TEXT_MAX_BYTES = 256 * 1024


def stored_id(kmctl: Kmctl, text: str, *arguments: str) -> str:
    entry_id = kmctl.json("store", text, *arguments)["id"]
    assert isinstance(entry_id, str)
    return entry_id


def entry(kmctl: Kmctl, entry_id: str) -> dict[str, Any]:
    (found,) = kmctl.json("get", entry_id)["entries"]
    assert isinstance(found, dict)
    return found


def total(kmctl: Kmctl, project: str) -> int:
    return int(kmctl.json("query", "--project", project)["total"])


def ids_of(result: dict[str, Any]) -> list[str]:
    return [found["id"] for found in result["results"]]


# How the daemon is


def test_version_names_both_sides(shared_kmctl: Kmctl) -> None:
    versions = shared_kmctl.json("version")
    assert versions["client"] == versions["daemon"] == shared_kmctl.json("status")["version"]
    assert shared_kmctl("version").out.count(versions["client"]) == 2


def test_health_in_json_is_the_status(shared_kmctl: Kmctl) -> None:
    assert shared_kmctl.json("health").keys() == shared_kmctl.json("status").keys()


def test_status_tells_people_what_was_done_and_what_is_stored(shared_kmctl: Kmctl) -> None:
    shared_kmctl("call", "knowledge.get", '{"ids": 1}')
    told = dict(line.split(maxsplit=1) for line in shared_kmctl("status").out.splitlines())
    assert {*shared_kmctl.json("status")} <= {*told}
    assert re.search(r"^[1-9][\d,]* ok", told["calls"])
    assert re.search(r"\b[1-9]\d* invalid_params", told["calls"])
    assert re.fullmatch(
        r"[\d.]+ k?B, fragments \d+, versions \d+, unindexed rows \d+", told["table"]
    )
    assert re.fullmatch(r"\d+, 0 failed", told["compactions"])
    assert re.fullmatch(r"[\d.]+ [kMGT]B", told["disk_free"])
    assert told["service"] == "none installed for this home"


def test_stats_of_a_project(shared_kmctl: Kmctl, project: str) -> None:
    stored_id(shared_kmctl, "one", "--project", project, "--type", "issue", "--agent", "a")
    stored_id(shared_kmctl, "two", "--project", project, "--type", "issue")
    stats = shared_kmctl.json("stats", "--project", project)
    assert stats == shared_kmctl.json("call", "knowledge.stats", json.dumps([project]))
    assert (stats["total_records"], stats["by_type"]) == (2, {"issue": 2})
    assert (stats["by_agent"], stats["by_project"]) == ({"a": 1, "unknown": 1}, {project: 2})
    assert shared_kmctl.json("stats")["by_project"][project] == 2
    assert "issue 2" in shared_kmctl("stats", "--project", project).out


def test_config_and_model_are_those_of_the_running_daemon(shared_kmctl: Kmctl) -> None:
    status = shared_kmctl.json("status")
    shown = shared_kmctl.json("config", "show")
    assert (shown["home"], shown["socket"]) == (status["home"], status["socket"])
    assert shared_kmctl.json("config", "check") == {"ok": True}
    info = shared_kmctl.json("model", "info")
    assert {name: info[name] for name in ("name", "sha256", "dim")} == status["model"]


# call


def test_call_prints_the_result_as_it_came(shared_kmctl: Kmctl) -> None:
    assert shared_kmctl("call", "system.ping").out == '"pong"\n'
    params = b'{"texts": ["x"], "kind": "query"}'
    vectors = shared_kmctl.json("call", "embedding.embed", "-", data=params)
    assert (len(vectors["vectors"]), len(vectors["vectors"][0])) == (1, vectors["dim"])


@pytest.mark.parametrize(
    ("arguments", "code", "reason", "exit_code"),
    [
        (("knowledge.searhc",), -32601, "method_not_found", 1),
        (("knowledge.search",), -32602, "invalid_params", 2),
        (("knowledge.search", '{"query": "x", "limti": 1}'), -32602, "invalid_params", 2),
        (("knowledge.update", '["no-such-id", "text"]'), -32010, "not_found", 5),
        (("knowledge.delete", '{"project_id": "x"}'), -32011, "conflict", 6),
        (("knowledge.delete", '{"type": "issue", "expect": 999}'), -32011, "conflict", 6),
    ],
)
def test_what_a_call_is_refused_with_decides_the_exit_code(
    shared_kmctl: Kmctl, arguments: tuple[str, ...], code: int, reason: str, exit_code: int
) -> None:
    outcome = shared_kmctl("call", *arguments, "--json")
    assert outcome.code == exit_code
    assert (outcome.error["code"], outcome.error["reason"]) == (code, reason)
    for_people = shared_kmctl("call", *arguments)
    assert (for_people.code, for_people.out) == (exit_code, "")
    assert for_people.err == f"kmctl: {outcome.error['message']}\n"


# store, get


def test_a_stored_entry_comes_back_with_every_field(shared_kmctl: Kmctl, project: str) -> None:
    fields = {
        "id": f"{project}-given",
        "text": "Zeilen\u2028und \N{PILE OF POO}",
        "type": "decision",
        "project_id": project,
        "session_id": "s",
        "agent": "a",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "metadata": {"n": 2**80, "list": [1.5, None, True], "ä": {}},
    }
    arguments = [
        *("--id", fields["id"], "--type", "decision", "--project", project, "--session", "s"),
        *("--agent", "a", "--timestamp", "2026-01-02T04:04:05.678+01:00"),
        *("--metadata", json.dumps(fields["metadata"])),
    ]
    stored = shared_kmctl.json("store", str(fields["text"]), *map(str, arguments))
    assert stored == {
        "id": fields["id"],
        "stored": True,
        "duplicate_of": None,
        "timestamp": fields["timestamp"],
        "similar": [],
        "redactions": [],
    }
    assert entry(shared_kmctl, stored["id"]) == fields | {"superseded_by": None}


def test_the_same_text_again_is_the_first_entry(shared_kmctl: Kmctl, project: str) -> None:
    first = shared_kmctl("store", "the same", "--project", project).out
    again = shared_kmctl("store", "the same", "--project", project)
    assert (again.code, again.out) == (0, f"{first.strip()} (was there already)\n")
    refused = ("store", "the same", "--project", project, "--on-duplicate", "reject")
    assert shared_kmctl(*refused).code == 6
    assert stored_id(shared_kmctl, *refused[1:-1], "store") != first.strip()
    assert total(shared_kmctl, project) == 2


def test_an_id_with_other_content_is_a_conflict(shared_kmctl: Kmctl, project: str) -> None:
    arguments = ("--project", project, "--id", f"{project}-x")
    stored_id(shared_kmctl, "one", *arguments)
    assert shared_kmctl("store", "two", *arguments).code == 6


def test_a_text_from_standard_input_loses_only_its_last_newline(
    shared_kmctl: Kmctl, project: str
) -> None:
    text = "  Zeile 1\r\nZeile 2 \N{SNOWMAN}\n\n"
    at = ("--project", project)
    stored = shared_kmctl.json("store", "-", *at, data=text.encode())
    assert entry(shared_kmctl, stored["id"])["text"] == text.removesuffix("\n")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"caf\xe9", "UTF-8"),
        (b"", "`text`"),
        (b"\n", "`text`"),
        (b"a\0b", "NUL"),
        (b"x" * (TEXT_MAX_BYTES + 1), str(TEXT_MAX_BYTES)),
    ],
    ids=["not UTF-8", "nothing", "a newline", "NUL", "too long"],
)
def test_a_text_that_is_refused_is_exit_2_and_stored_nowhere(
    shared_kmctl: Kmctl, project: str, data: bytes, told: str
) -> None:
    outcome = shared_kmctl("store", "-", "--project", project, data=data)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert total(shared_kmctl, project) == 0


def test_get_shows_what_is_there_and_exits_5_for_what_is_not(
    shared_kmctl: Kmctl, project: str
) -> None:
    known = stored_id(shared_kmctl, "known", "--project", project)
    outcome = shared_kmctl("get", "no-such-id", known, "--json")
    assert outcome.code == 5
    assert outcome.json["missing"] == ["no-such-id"]
    assert list(outcome.json["entries"][0]) == ENTRY_FIELDS
    assert json.loads(outcome.err)["error"]["reason"] == "not_found"
    for_people = shared_kmctl("get", "no-such-id")
    assert (for_people.code, for_people.out) == (5, "")
    assert "no-such-id" in for_people.err


# search, query


def test_search_in_json_is_the_result_of_the_method(shared_kmctl: Kmctl, project: str) -> None:
    for text in ("We bill in euros.", "Cats sleep a lot.", "Invoices go out monthly."):
        stored_id(shared_kmctl, text, "--project", project)
    found = shared_kmctl.json("search", "billing", "--project", project, "--limit", "2")
    params = {"query": "billing", "project_id": project, "limit": 2}
    called = shared_kmctl.json("call", "knowledge.search", json.dumps(params))
    assert found["query_time_ms"] >= 0
    assert found | {"query_time_ms": 0} == called | {"query_time_ms": 0}
    assert [list(hit) for hit in found["results"]] == [HIT_FIELDS] * 2
    assert "Cats sleep a lot." not in [hit["text"] for hit in found["results"]]
    lines = shared_kmctl("search", "billing", "--project", project, "--limit", "1").out.split("\n")
    assert lines[0].startswith(f"{found['results'][0]['score']:.3f}  {ids_of(found)[0]}")
    assert lines[1] == f"    {found['results'][0]['text']}"


def test_store_and_search_mean_the_project_of_the_folder(
    shared_kmctl: Kmctl, project: str, tmp_path: Path
) -> None:
    inside = tmp_path / project / "src"
    inside.mkdir(parents=True)
    for name in ("objects", "refs"):
        (tmp_path / project / ".git" / name).mkdir(parents=True)
    (tmp_path / project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    text = f"The cache of {project} is cold"
    stored = shared_kmctl.json("store", text, cwd=inside)["id"]
    assert entry(shared_kmctl, stored)["project_id"] == project
    assert ids_of(shared_kmctl.json("search", text, cwd=inside)) == [stored]
    elsewhere = shared_kmctl("search", text, "--json", cwd=tmp_path)
    assert elsewhere.json["results"] == []
    everywhere = shared_kmctl.json("search", text, "--all-projects", cwd=tmp_path)
    assert ids_of(everywhere)[0] == stored
    by_variable = Kmctl(shared_kmctl.home, {"CCO_PROJECT": project})
    assert ids_of(by_variable.json("search", text, cwd=tmp_path)) == [stored]
    nothing = shared_kmctl("search", text, cwd=tmp_path)
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "Nothing found.\n")


@pytest.mark.parametrize("command", [("search", "a text"), ("query",)], ids=" ".join)
def test_each_filter_selects(shared_kmctl: Kmctl, project: str, command: tuple[str, ...]) -> None:
    at = ("--project", project)
    one = stored_id(
        shared_kmctl,
        "text one",
        *(*at, "--type", "issue", "--agent", "a", "--session", "s"),
        *("--metadata", '{"k": 1, "more": "it\'s"}', "--timestamp", "2026-01-01T00:00:00Z"),
    )
    two = stored_id(
        shared_kmctl,
        "text two",
        *(*at, "--metadata", '{"k": 2}', "--timestamp", "2026-02-01T00:00:00Z"),
    )
    for filters, expected in (
        (("--type", "issue"), {one}),
        (("--type", "issue", "--type", "general"), {one, two}),
        (("--agent", "a"), {one}),
        (("--session", "s"), {one}),
        (("--since", "2026-01-15T00:00:00Z"), {two}),
        (("--until", "2026-01-15T00:00:00Z"), {one}),
        (("--metadata", '{"k": 1, "more": "it\'s"}'), {one}),
        (("--metadata", '{"k": 3}'), set()),
    ):
        assert set(ids_of(shared_kmctl.json(*command, *at, *filters))) == expected, filters


def test_search_leaves_out_what_is_below_the_threshold(shared_kmctl: Kmctl, project: str) -> None:
    same = stored_id(shared_kmctl, "Ships need harbours", "--project", project)
    stored_id(shared_kmctl, "def f(x): return x", "--project", project)
    found = shared_kmctl.json(
        "search", "Ships need harbours", "--project", project, "--threshold", "0.9"
    )
    assert ids_of(found) == [same]


def test_query_goes_through_all_pages(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    stored = [stored_id(shared_kmctl, f"text {n}", *at, "--id", f"{project}-{n}") for n in range(5)]
    page = ("query", *at, "--limit", "2", "--order-by", "id", "--ascending")
    seen: list[list[str]] = []
    cursor: tuple[str, ...] = ()
    while True:
        result = shared_kmctl.json(*page, *cursor)
        assert list(result) == ["results", "total", "next_cursor"]
        assert result["total"] == 5
        seen.append(ids_of(result))
        if result["next_cursor"] is None:
            break
        cursor = ("--cursor", result["next_cursor"])
    assert seen == [stored[:2], stored[2:4], stored[4:]]
    for_people = shared_kmctl(*page)
    assert for_people.err.startswith("2 of 5\nMore with --cursor ")
    assert [line.split()[0] for line in for_people.out.splitlines()[::2]] == stored[:2]


# update, delete, cleanup


def test_update_changes_what_is_given_and_nothing_else(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    old = entry(shared_kmctl, stored_id(shared_kmctl, "Owls hunt at night", *at, "--agent", "a"))
    changed = ("update", old["id"], "--type", "pattern", "--text", "-")
    result = shared_kmctl.json(*changed, data=b"The tax office closes at noon\n")
    assert result == {"id": old["id"], "updated": True, "redactions": []}
    new = {"type": "pattern", "text": "The tax office closes at noon"}
    assert entry(shared_kmctl, old["id"]) == old | new
    threshold = ("--threshold", "0.3", *at)
    assert ids_of(shared_kmctl.json("search", "taxes", *threshold)) == [old["id"]]
    assert ids_of(shared_kmctl.json("search", "owls", *threshold)) == []
    same = shared_kmctl("update", old["id"], "--type", "pattern")
    assert (same.code, same.out) == (0, f"{old['id']} is so already\n")
    assert shared_kmctl("update", "no-such-id", "--type", "issue").code == 5
    unknown_type = shared_kmctl("update", old["id"], "--type", "patern")
    assert unknown_type.code == 2
    assert "`pattern`" in unknown_type.err


def test_delete_by_ids(shared_kmctl: Kmctl, project: str) -> None:
    ids = [stored_id(shared_kmctl, f"text {n}", "--project", project) for n in range(3)]
    assert shared_kmctl.json("delete", *ids[:2]) == {"deleted": 2}
    assert shared_kmctl("delete", ids[0]).out == "0 deleted\n"
    assert ids_of(shared_kmctl.json("query", "--project", project)) == ids[2:]


def test_delete_by_filters_needs_their_exact_count(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    for n in range(3):
        stored_id(shared_kmctl, f"text {n}", *at)
    for expect in ((), ("--expect", "2"), ("--expect", "4")):
        outcome = shared_kmctl("delete", *at, *expect)
        assert (outcome.code, outcome.out) == (6, "")
        assert "3" in outcome.err
    assert total(shared_kmctl, project) == 3
    assert shared_kmctl("delete", *at, "--expect", "3").out == "3 deleted\n"
    assert total(shared_kmctl, project) == 0


def test_cleanup_deletes_what_is_old_and_shows_it_first(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    old = stored_id(shared_kmctl, "old", *at, "--timestamp", "2020-01-01T00:00:00Z")
    new = stored_id(shared_kmctl, "new", *at)
    assert shared_kmctl.json("cleanup", *at, "--dry-run") == {"count": 1, "ids": [old]}
    for_people = shared_kmctl("cleanup", *at, "--dry-run")
    assert (for_people.out, for_people.err) == (f"{old}\n", "1 would be deleted\n")
    assert total(shared_kmctl, project) == 2
    assert shared_kmctl.json("cleanup", *at, "--older-than-days", "36500")["count"] == 0
    assert shared_kmctl("cleanup", *at).err == "1 deleted\n"
    assert ids_of(shared_kmctl.json("query", *at)) == [new]
