"""What search and context show, and entries that replace others, against a real daemon."""

import json
import re
from typing import Any

import pytest

from outcome import Kmctl

BEFORE = "We use PostgreSQL 14 for the orders database."
NOW = "We use PostgreSQL 16 for the orders database."
FACT = "The gearbox of the harbour crane needs 40 litres of oil."
LONG_TEXT = "\n".join(
    FACT
    if number == 60
    else f"Step {number}: the script copies table {number} and counts its rows."
    for number in range(90)
)
NEVER_STORED = "Which sewing pattern fits the winter coat?"


def stored_id(kmctl: Kmctl, text: str, *arguments: str) -> str:
    return str(kmctl.json("store", text, *arguments)["id"])


def ids_of(result: dict[str, Any]) -> list[str]:
    return [found["id"] for found in result["results"]]


def successor(kmctl: Kmctl, entry_id: str) -> str | None:
    (found,) = kmctl.json("get", entry_id)["entries"]
    superseded_by: str | None = found["superseded_by"]
    return superseded_by


@pytest.fixture
def replaced(shared_kmctl: Kmctl, project: str) -> tuple[str, str]:
    """An old entry, and the one that was stored in its place."""
    at = ("--project", project)
    old = stored_id(shared_kmctl, BEFORE, *at)
    return old, stored_id(shared_kmctl, NOW, *at, "--supersedes", old)


# Replacing


def test_a_replaced_entry_is_hidden_until_it_is_asked_for(
    shared_kmctl: Kmctl, project: str, replaced: tuple[str, str]
) -> None:
    old, new = replaced
    at = ("--project", project)
    for command in (("search", "orders"), ("query",)):
        assert ids_of(shared_kmctl.json(*command, *at)) == [new]
        with_old = (*command, *at, "--include-superseded")
        assert set(ids_of(shared_kmctl.json(*with_old))) == {old, new}
        lines = shared_kmctl(*with_old).out.splitlines()
        assert [line for line in lines if f"superseded by {new}" in line and old in line]
    assert successor(shared_kmctl, old) == new
    assert f"superseded by {new}" in shared_kmctl("get", old).out
    context = shared_kmctl.json("context", "orders database", *at, "--include-superseded")
    assert [found["id"] for found in context["entries"]] != []
    assert shared_kmctl("delete", *at, "--expect", "2").code == 6
    assert shared_kmctl.json("delete", *at, "--include-superseded", "--expect", "2") == {
        "deleted": 2
    }


def test_one_entry_replaces_several(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    one, two = (stored_id(shared_kmctl, text, *at) for text in ("a cat", "a dog"))
    new = stored_id(shared_kmctl, "a bird", *at, "--supersedes", one, "--supersedes", two)
    assert ids_of(shared_kmctl.json("query", *at)) == [new]
    refused = shared_kmctl("store", "a fish", *at, "--supersedes", "no-such-id")
    assert (refused.code, refused.out) == (5, "")


def test_a_store_names_what_it_nearly_repeats_and_what_to_do_then(
    shared_kmctl: Kmctl, project: str
) -> None:
    at = ("--project", project)
    old = stored_id(shared_kmctl, BEFORE, *at)
    outcome = shared_kmctl("store", NOW, *at)
    new = outcome.out.strip()
    told = re.fullmatch(
        rf"nearly repeats {old} \((0\.\d\d)\); if it replaces that one: kmctl (.*)\n", outcome.err
    )
    assert told
    similar = shared_kmctl.json("store", f"{NOW}!", *at)["similar"]
    assert {found["id"] for found in similar} == {old, new}
    assert shared_kmctl(*told[2].split()).out == f"{old} updated\n"
    assert ids_of(shared_kmctl.json("search", "orders", *at, "--limit", "1")) != [old]
    assert successor(shared_kmctl, old) == new
    circle = shared_kmctl("update", new, "--superseded-by", old)
    assert circle.code == 6


# Searching


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_each_mode_is_that_of_the_method(shared_kmctl: Kmctl, project: str, mode: str) -> None:
    stored_id(shared_kmctl, FACT, "--project", project)
    stored_id(shared_kmctl, "Invoices go out monthly.", "--project", project)
    found = shared_kmctl.json("search", "oil", "--project", project, "--mode", mode)
    params = json.dumps({"query": "oil", "project_id": project, "mode": mode})
    called = shared_kmctl.json("call", "knowledge.search", params)
    assert found | {"query_time_ms": 0} == called | {"query_time_ms": 0}
    assert len(found["results"]) == (1 if mode == "text" else 2)


def test_what_nothing_answers_is_said_beside_the_nearest(shared_kmctl: Kmctl, project: str) -> None:
    stored = stored_id(shared_kmctl, FACT, "--project", project)
    nearest = shared_kmctl("search", NEVER_STORED, "--project", project)
    assert nearest.code == 0
    assert nearest.err == "Nothing stored answers this; the nearest:\n"
    assert stored in nearest.out
    assert shared_kmctl.json("search", NEVER_STORED, "--project", project)["covered"] is False
    answered = shared_kmctl("search", "oil of the gearbox", "--project", project)
    assert (answered.code, answered.err) == (0, "")


def test_of_a_long_text_the_passage_is_shown(shared_kmctl: Kmctl, project: str) -> None:
    stored = stored_id(shared_kmctl, LONG_TEXT, "--project", project)
    search = ("search", "How much oil does the gearbox of the crane need?", "--project", project)
    (hit,) = shared_kmctl.json(*search)["results"]
    assert (hit["text"], hit["passage"] in LONG_TEXT) == (LONG_TEXT, True)
    first, *lines = shared_kmctl(*search).out.splitlines()
    assert stored in first
    assert [lines[0], lines[-1]] == ["    …", "    …"]
    assert f"    {FACT}" in lines
    assert "\n".join(line.strip() for line in lines[1:-1]) == hit["passage"].strip()
    assert shared_kmctl("get", stored).out.splitlines()[1:] == [
        f"    {line}" for line in LONG_TEXT.split("\n")
    ]


def test_a_passage_at_the_beginning_has_nothing_left_out_before_it(
    shared_kmctl: Kmctl, project: str
) -> None:
    text = LONG_TEXT.replace(FACT, "").replace("Step 0", FACT)
    stored_id(shared_kmctl, text, "--project", project)
    lines = shared_kmctl("search", FACT, "--project", project).out.splitlines()
    assert lines[1].startswith(f"    {FACT}")
    assert lines[-1] == "    …"


def test_explain_says_how_each_came_to_its_place(
    shared_kmctl: Kmctl, project: str, replaced: tuple[str, str]
) -> None:
    old, new = replaced
    search = ("search", "orders", "--project", project, "--explain")
    (hit,) = shared_kmctl.json(*search)["results"]
    why = hit["explain"]
    assert (hit["id"], why["supersedes"]) == (new, [old])
    _, line, text = shared_kmctl(*search).out.splitlines()
    assert text == f"    {NOW}"
    assert line == (
        f"    meaning: rank 1, {why['vector']['score']:.3f}, scaled {why['vector']['scaled']:.3f}; "
        f"words: rank 1, {why['text']['score']:.3f}, scaled {why['text']['scaled']:.3f}; "
        f"fusion {why['fusion']:.3f}; recency {why['recency']:.3f}; "
        f"evidence {why['evidence']:.3f}; replaces {old}"
    )
    by_meaning = shared_kmctl(*search, "--mode", "vector").out.splitlines()[1]
    assert "; words: -; fusion -; recency -; " in by_meaning


# context


def test_context_prints_the_text_and_nothing_else(shared_kmctl: Kmctl, project: str) -> None:
    at = ("--project", project)
    stored = stored_id(shared_kmctl, FACT, *at)
    task = "change the oil of the gearbox"
    packed = shared_kmctl.json("context", task, *at)
    assert packed == shared_kmctl.json(
        "call", "knowledge.context", json.dumps({"task": task, "project_id": project})
    )
    (found,) = packed["entries"]
    assert found["id"] == stored
    for_people = shared_kmctl("context", task, *at)
    assert (for_people.code, for_people.out, for_people.err) == (0, packed["text"], "")
    assert f"> {FACT}" in for_people.out
    from_stdin = shared_kmctl("context", "-", *at, data=task.encode() + b"\n")
    assert from_stdin.out == packed["text"]


def test_context_keeps_to_the_budget_the_filters_and_the_project(
    shared_kmctl: Kmctl, project: str
) -> None:
    stored_id(shared_kmctl, FACT, "--project", project, "--type", "issue")
    inside = Kmctl(shared_kmctl.home, {"CCO_PROJECT": project})
    elsewhere = Kmctl(shared_kmctl.home, {"CCO_PROJECT": f"not {project}"})
    task = "change the oil of the gearbox"
    assert FACT in inside("context", task).out
    assert FACT in elsewhere("context", task, "--all-projects").out
    for nothing in (
        elsewhere("context", task),
        inside("context", task, "--type", "decision"),
        inside("context", task, "--token-budget", "5"),
        inside("context", NEVER_STORED),
    ):
        assert (nothing.code, nothing.out) == (0, "")
        assert nothing.err == "Nothing stored answers this.\n"
    assert inside("context", task, "--token-budget", "0").code == 2
