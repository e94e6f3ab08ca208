"""`kmctl discover`: what the daemon can be asked."""

import openrpc
from outcome import Kmctl


def test_the_document_is_the_one_that_the_daemon_gives(shared_kmctl: Kmctl) -> None:
    document = shared_kmctl.json("discover")
    assert document == shared_kmctl.json("call", "rpc.discover")
    assert openrpc.errors_in(document) == []
    assert shared_kmctl("discover").json == document


def test_one_method_is_shown_for_people(shared_kmctl: Kmctl) -> None:
    shown = shared_kmctl("discover", "knowledge.search")
    assert shown.code == 0
    assert "integer (1 to 100)" in shown.out
    assert "False: nothing stored answers" in shown.out
    assert '{"query": "which database holds the orders"' in shown.out


def test_a_method_without_params_is_shown_too(shared_kmctl: Kmctl) -> None:
    assert '"pong"' in shared_kmctl("discover", "system.ping").out


def test_one_method_in_json_is_its_part_of_the_document(shared_kmctl: Kmctl) -> None:
    document = shared_kmctl.json("discover")
    assert shared_kmctl.json("discover", "knowledge.get") == openrpc.method(
        document, "knowledge.get"
    )


def test_a_method_that_does_not_exist_is_refused_with_those_that_do(shared_kmctl: Kmctl) -> None:
    refused = shared_kmctl("discover", "knowledge.find", "--json")
    assert refused.code == 1
    assert refused.error["reason"] == "method_not_found"
    assert "knowledge.search" in refused.error["message"]
