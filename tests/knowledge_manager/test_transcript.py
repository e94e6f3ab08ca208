"""Every call of a real session of the old command, and where the answer is meant to differ."""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from manager_command import Manager
from outcome import Outcome

LEGACY = Path(__file__).parents[3] / "shared" / "data" / "legacy" / "legacy.tar.gz"

CREATING = "📝 Creating new knowledge base for R"
CREATED = "✅ Knowledge table created successfully"
CONNECTED = "✅ Connected to existing knowledge base for R"
OLD_TYPE = "✅ Stored knowledge: --type from cli"
FOUND = "🔍 Found {} relevant knowledge items"

INSTEAD: Mapping[int, Mapping[str, list[str]]] = {
    # The type and the agent that were given, as the documents promised. What the daemon does not
    # know as a type is general, with a line on standard error.
    3: {OLD_TYPE: ["✅ Stored knowledge: decision from architect"]},
    4: {OLD_TYPE: ["✅ Stored knowledge: general from python-specialist"]},
    5: {
        "✅ Stored knowledge: implementation from cli": [
            "✅ Stored knowledge: implementation from python-specialist"
        ]
    },
    9: {OLD_TYPE: ["✅ Stored knowledge: general from qa-engineer"]},
    # `list` was promised and showed the usage.
    14: {
        "Knowledge Manager - LanceDB Integration": [
            "📚 Retrieved 9 knowledge items for project: R",
            "JSON",
        ],
        "": [],
        "USAGE": [],
    },
    # Only the project's own entries, and no initialization record; limits and types count.
    17: {FOUND.format(10): [FOUND.format(9)]},
    18: {FOUND.format(10): [FOUND.format(3)]},
    20: {FOUND.format(10): [FOUND.format(9)]},
    22: {FOUND.format(10): [FOUND.format(9)]},
    23: {FOUND.format(10): [FOUND.format(2)]},
    # One home for all projects.
    25: {CREATING: [CONNECTED], CREATED: []},
    27: {CREATING: [CONNECTED], CREATED: []},
}
PROJECTS = {"src": "my-app"}  # a folder in a repository is no project of its own
REMARKS = {4: "edit is not known", 9: "completion is not known"}

TYPES = {"decision": 2, "general": 4, "implementation": 1, "issue": 1, "credential": 1}
AGENTS = {"cli": 5, "architect": 1, "python-specialist": 2, "qa-engineer": 1}
COUNTS: Mapping[int, Mapping[str, int | Mapping[str, int]]] = {
    0: {"totalRecords": 0, "byType": {}, "byAgent": {}, "byProject": {}},
    1: {
        "totalRecords": 3,
        "byType": {"issue": 1, "implementation": 1, "decision": 1},
        "byAgent": {"security": 1, "python": 1, "architect": 1},
        "byProject": {"test-project": 3},
    },
    24: {"totalRecords": 9, "byType": TYPES, "byAgent": AGENTS, "byProject": {"my-app": 9}},
    26: {
        "totalRecords": 10,
        "byType": TYPES | {"general": 5},
        "byAgent": AGENTS | {"cli": 6},
        "byProject": {"my-app": 10},
    },
    27: {"totalRecords": 0, "byType": {}, "byAgent": {}, "byProject": {}},
}
JSON_BLOCK = re.compile(r"^[\[{]\n.*?^[\]}]$", re.MULTILINE | re.DOTALL)
UNEQUAL = (
    (JSON_BLOCK, "JSON"),
    (re.compile(r"^Usage:\n.*stats[ \n]+$", re.MULTILINE | re.DOTALL), "USAGE\n"),
    (re.compile(r"^(📁 Database path: ).*", re.MULTILINE), r"\1PATH"),
    (re.compile(r"^(Stored with ID: ).*", re.MULTILINE), r"\1ID"),
    (re.compile(r"^(  )\d(\. \[)", re.MULTILINE), r"\1N\2"),
)


@pytest.mark.skipif(not LEGACY.is_file(), reason=f"no transcript at {LEGACY}")
@pytest.mark.timeout(300)  # 28 calls and a start
def test_the_calls_of_a_real_session_are_answered_as_the_old_command_did(
    starting: Manager,
) -> None:
    for number, old in enumerate(transcript()):
        cwd = folder_of(old["cwd"], starting.folder)
        cwd.mkdir(exist_ok=True)
        new = starting(*old["argv"], cwd=cwd)
        same_output(number, old, new)
        same_errors(number, old, new)
        same_json(number, old, new)


def transcript() -> list[dict[str, Any]]:
    with tarfile.open(LEGACY) as archive:
        file = archive.extractfile("./small/cli_transcript.json")
        assert file is not None
        calls: list[dict[str, Any]] = json.load(file)
    assert len(calls) == 28
    return calls


def folder_of(cwd: str, repository: Path) -> Path:
    return Path(cwd.replace("<HOME>/git/my-app", str(repository)))


def same_output(number: int, old: dict[str, Any], new: Outcome) -> None:
    assert new.code == old["exit"], (number, new)
    project = re.findall("repository: (.*)", old["stdout"])[0]
    expected = lines_of(old["stdout"], project)
    for line, others in INSTEAD.get(number, {}).items():
        assert line in expected
        expected = [part for each in expected for part in (others if each == line else [each])]
    lines = lines_of(new.out, PROJECTS.get(project, project))
    if old["argv"] == ["test"]:  # what it finds comes in another order
        lines, expected = sorted(lines), sorted(expected)
    assert lines == expected, number


def lines_of(out: str, project: str) -> list[str]:
    for pattern, instead in UNEQUAL:
        out = pattern.sub(instead, out)
    named = re.compile(rf"(for|repository:|project:) {re.escape(project)}$", re.MULTILINE)
    return named.sub(r"\1 R", out).splitlines()


def same_errors(number: int, old: dict[str, Any], new: Outcome) -> None:
    for kind in ("Usage: ", "❌ Search failed: ", "Fatal error: "):
        assert (kind in new.err) == (kind in old["stderr"]), (number, new.err)
    if number in REMARKS:
        assert REMARKS[number] in new.err
    elif old["argv"][:1] != ["search"]:
        assert bool(new.err) == bool(old["stderr"]), (number, new.err)


def same_json(number: int, old: dict[str, Any], new: Outcome) -> None:
    was, now = document_in(old["stdout"]), document_in(new.out)
    if isinstance(now, dict):
        assert list(now) == list(was), number
        assert {name: now[name] for name in COUNTS[number]} == COUNTS[number]
    elif was is not None:
        shape = [(name, type(value)) for name, value in was[0].items()]
        assert [[(name, type(value)) for name, value in hit.items()] for hit in now] == [
            shape for _ in now
        ], number
        scores = [hit["score"] for hit in now]
        assert scores == sorted(scores, reverse=True)


def document_in(out: str) -> Any:
    found = JSON_BLOCK.findall(out)
    return json.loads(found[0]) if found else None


def test_what_is_stored_is_what_was_given(manager: Manager) -> None:
    texts = ["  padded text  ", "Multi\nline \"quoted\" 'single' $HOME", "défaut général 🚀"]
    for text in texts:
        assert manager("store", text).code == 0
    listed = document_in(manager("list").out)
    assert Counter(entry["text"] for entry in listed) == Counter(texts)
