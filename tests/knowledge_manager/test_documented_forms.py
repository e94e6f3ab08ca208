"""The forms of calls that the old documents promised, and what the old command let pass."""

import json
import sys
from typing import Any

import pytest

from manager_command import Manager
from outcome import Outcome


def found_by(outcome: Outcome) -> list[Any]:
    """The entries that a search or a list prints."""
    assert outcome.code == 0, outcome
    found: list[Any] = json.loads("[" + outcome.out.partition("\n[")[2].rpartition("]")[0] + "]")
    return found


def texts_of(outcome: Outcome) -> list[str]:
    return [entry["text"] for entry in found_by(outcome)]


@pytest.mark.parametrize(
    "words",
    [
        ("THE TEXT", "--type", "decision", "--agent", "architect"),
        ("THE TEXT", "--agent=architect", "--type=decision"),
        ("--agent", "architect", "--type", "decision", "THE TEXT"),
        ("THE TEXT", "decision", "--agent", "architect"),
        ("THE TEXT", "decision", "architect"),
        ("THE TEXT", "--type", "decision", "general", "architect"),
    ],
)
def test_type_and_agent_are_stored_however_they_are_given(
    manager: Manager, words: tuple[str, ...]
) -> None:
    stored = manager("store", *words)
    assert (stored.code, stored.err) == (0, "")
    assert "✅ Stored knowledge: decision from architect\n" in stored.out
    (entry,) = found_by(manager("list"))
    assert f"Stored with ID: {entry['id']}\n" in stored.out
    assert [entry[name] for name in ("text", "type", "agent", "session_id")] == [
        *("THE TEXT", "decision", "architect", "unknown")
    ]
    assert entry["project_id"] == manager.folder.name


def test_what_is_left_out_or_empty_has_its_default(manager: Manager) -> None:
    for text, *words in (("a",), ("b", "", ""), ("c", "--type", "--agent"), ("d", "--type=")):
        stored = manager("store", text, *words)
        assert (stored.code, stored.err) == (0, "")
        assert "✅ Stored knowledge: general from cli\n" in stored.out


def test_an_unknown_option_is_named_and_changes_nothing_else(manager: Manager) -> None:
    stored = manager("store", "THE TEXT", "--verbose", "decision")
    assert stored.code == 0
    assert stored.err == "--verbose is no option of this command and is ignored.\n"
    assert "✅ Stored knowledge: decision from cli\n" in stored.out


def test_a_type_that_is_not_known_is_kept_in_the_metadata_and_searched_by(
    manager: Manager,
) -> None:
    stored = manager("store", "Edit: src/auth.py", "--type", "edit", "--agent", "python-pro")
    assert (stored.code, stored.err.count("\n")) == (0, 1)
    assert "The type edit is not known" in stored.err
    assert "✅ Stored knowledge: general from python-pro\n" in stored.out
    manager("store", "We edit src/auth.py by hand", "decision", "architect")
    for words in (
        ("src/auth.py", "--type", "edit"),
        ("type:edit",),
        ("src/auth.py type:edit",),
        ("agent:python-pro",),
        ("agent:python-pro src/auth.py type:edit",),
    ):
        (entry,) = found_by(manager("search", *words))
        assert (entry["text"], entry["type"]) == ("Edit: src/auth.py", "general")
        assert entry["metadata"] == {"_legacy": {"type": "edit"}}
    either = manager("search", "type:edit type:decision src/auth.py")
    assert len(texts_of(either)) == 2
    nothing = manager("search", "src/auth.py type:edit agent:architect")
    assert found_by(nothing) == []
    assert nothing.err == "No entry of this project has type:edit agent:architect.\n"


def test_a_query_of_pseudo_filters_alone_lists_the_newest_first(manager: Manager) -> None:
    for text in ("first", "second", "third"):
        manager("store", text, "issue")
    manager("store", "other")
    assert texts_of(manager("search", "type:issue", "2")) == ["third", "second"]
    assert texts_of(manager("search", "type:decision", "--type", "issue")) == [
        *("third", "second", "first")
    ]
    newest = found_by(manager("list", "--limit", "1"))
    assert [(entry["text"], entry["score"]) for entry in newest] == [("other", None)]
    assert texts_of(manager("list", "--type", "issue", "--limit=1")) == ["third"]


def test_a_repeated_text_gets_the_id_of_the_first(manager: Manager) -> None:
    first, again = manager("store", "the same"), manager("store", "the same")
    assert (again.code, again.err, again.out) == (0, "", first.out)
    assert len(found_by(manager("list"))) == 1


def test_what_nothing_answers_is_shown_and_called_so(manager: Manager) -> None:
    manager("store", "The nightly build fails with gcc 13.")
    outcome = manager("search", "who waters the plants on holidays?", "101")
    assert len(found_by(outcome)) == 1
    assert outcome.err.splitlines() == [
        "The limit 101 is too large: at most 100 entries are shown.",
        "Nothing stored answers this; these are only the nearest entries.",
    ]
    answered = manager("search", "which build fails?")
    assert (texts_of(answered), answered.err) == (["The nightly build fails with gcc 13."], "")


def test_what_the_daemon_refuses_is_an_error_of_the_command(manager: Manager) -> None:
    refused = manager("store", "text", "general", "a" * 300)
    assert (refused.code, "closed" in refused.out) == (1, False)
    first, second = refused.err.splitlines()
    assert first.startswith("❌ Store failed: ")
    assert second == first.replace("❌ Store failed", "Fatal error")


def test_bytes_that_are_no_utf_8_are_stored_as_node_did(manager: Manager) -> None:
    assert manager("store", b"caf\xe9").code == 0
    assert texts_of(manager("list")) == ["caf\ufffd"]


def test_the_test_command_works_again_and_again(manager: Manager) -> None:
    first, again = manager("test"), manager("test")
    assert (first.code, first.err, again.code, again.err) == (0, "", 0, "")
    assert again.out == first.out
    assert "Project has 3 knowledge items\n" in again.out


def test_the_project_is_what_the_environment_says(manager: Manager) -> None:
    manager("store", "of the folder")
    other = Manager(manager.home, manager.folder, {"CCO_PROJECT": f"{manager.folder.name}-b"})
    assert f"for repository: {manager.folder.name}-b\n" in other("stats").out
    assert found_by(other("list")) == []


def test_only_the_standard_library_and_the_client_are_imported(manager: Manager) -> None:
    code = (
        "import sys, json; before = set(sys.modules); import kmctl.knowledge_manager as k; "
        "code = k.run(['search', 'x', '--type', 'issue']); "
        "print(json.dumps([code, sorted(set(sys.modules) - before)]))"
    )
    outcome = manager.run([sys.executable, "-c", code])
    exit_code, modules = json.loads(outcome.out.splitlines()[-1])
    assert exit_code == 0
    tops = {name.partition(".")[0] for name in modules}
    assert tops <= {"cco_knowledge_client", "kmctl", *sys.stdlib_module_names}
    assert {name for name in modules if name.startswith("kmctl.")} <= {
        f"kmctl.knowledge_manager{part}"
        for part in ("", ".arguments", ".base", ".commands", ".printing")
    }
    assert tops & {"asyncio", "subprocess", "argparse"} == set()
