"""`rpc.discover`: the document is true of the daemon that gives it."""

from typing import Any

import pytest

import openrpc
from conftest import StartDaemon
from entries import query_ids, store_all
from process import Daemon
from wire import FRAMINGS


@pytest.fixture(scope="module")
def document(session_daemon: Daemon) -> Any:
    return session_daemon.call("rpc.discover")


def test_every_example_gives_what_it_says_and_can_be_played_again(daemon: Daemon) -> None:
    document = daemon.call("rpc.discover")
    for framing in FRAMINGS:
        for name, given, example in openrpc.examples(document):
            by_position = openrpc.by_position(document, name, given)
            params = given if framing == "ndjson" else by_position
            result = daemon.call(name, params, framing)
            openrpc.check_result(document, name, result)
            promised = example["result"]
            varies = frozenset(promised.get("x-varies", ()))
            assert steady(result, varies) == steady(promised["value"], varies), (name, framing)
        assert query_ids(daemon) == [], "the examples leave nothing behind"


def steady(value: Any, varies: frozenset[str]) -> Any:
    """All that is the same in every run."""
    if isinstance(value, list):
        return [steady(part, varies) for part in value]
    if isinstance(value, dict):
        return {
            key: "varies" if key in varies else steady(part, varies) for key, part in value.items()
        }
    return value


@pytest.mark.parametrize("framing", FRAMINGS)
def test_it_is_there_while_the_model_loads(start_daemon: StartDaemon, framing: str) -> None:
    daemon = start_daemon(ready=False)
    daemon.wait_listening()
    document = daemon.call("rpc.discover", framing=framing)
    early = daemon.call("system.status", framing=framing)
    assert openrpc.errors_in(document) == []
    openrpc.check_result(document, "rpc.discover", document)
    openrpc.check_result(document, "system.status", early)
    assert document["info"]["version"] == early["version"]
    daemon.wait_ready()


def test_it_takes_no_params(shared_daemon: Daemon) -> None:
    assert shared_daemon.refusal("rpc.discover", {"method": "x"}).field == "method"


def test_what_examples_do_not_show_has_the_promised_shape_too(
    shared_daemon: Daemon, project: str, document: Any
) -> None:
    def checked(name: str, **params: Any) -> Any:
        result = shared_daemon.call(name, params)
        openrpc.check_result(document, name, result)
        return result

    long_text = " ".join(f"Paragraph {n} says where the invoices are kept." for n in range(120))
    old, _ = store_all(shared_daemon, project, {"text": long_text}, {"text": "Tea is at four."})
    near = checked("knowledge.store", text="Tea is at four o'clock.", project_id=project)
    assert near["similar"]
    new = checked(
        "knowledge.store", text="Invoices are in S3.", project_id=project, supersedes=[old]
    )
    hits = checked(
        "knowledge.search",
        query="where are the invoices kept",
        project_id=project,
        explain=True,
        include_superseded=True,
    )["results"]
    assert {hit["superseded_by"] for hit in hits} == {None, new["id"]}
    assert any(hit["passage"] for hit in hits)
    assert any(hit["explain"]["vector"] for hit in hits)
    assert any(hit["explain"]["supersedes"] for hit in hits)
    checked("knowledge.context", task="send the invoices", project_id=project)
    checked("knowledge.query", project_id=project, include_superseded=True)
    checked("knowledge.stats")
    checked("knowledge.cleanup", older_than_days=0, project_id=project, dry_run=True)
    checked("embedding.embed", texts=[long_text, "b"])
