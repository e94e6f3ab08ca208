"""Errors: each has its reason and code, and the boundary tells no secret."""

import logging

import pytest

from cco_knowledge import errors
from cco_knowledge.errors import BackupUnusable, KnowledgeError, StartRefused, TokensUnusable
from cco_knowledge.rpc.errors import CODES, WireError, to_wire

CONTRACT = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    "invalid_params": -32602,
    "internal": -32603,
    "not_found": -32010,
    "conflict": -32011,
    "unavailable": -32012,
    "deadline_exceeded": -32013,
    "embedding_failed": -32014,
    "store_failed": -32015,
    "unauthorized": -32016,
    "overloaded": -32017,
    "rate_limited": -32017,
    "storage_full": -32018,
    "too_large": -32019,
}
RETRYABLE = {"unavailable", "deadline_exceeded", "overloaded", "rate_limited", "storage_full"}
NEVER_SENT = (StartRefused, BackupUnusable, TokensUnusable)
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, KnowledgeError) and kind is not KnowledgeError
]


def made(kind: type[KnowledgeError]) -> KnowledgeError:
    if kind is errors.InvalidInput:
        return errors.InvalidInput("A message.", field="f")
    if kind in (errors.Overloaded, errors.RateLimited):
        return kind("A message.", retry_after_ms=5)
    return kind("A message.")


def test_codes_are_the_contracts() -> None:
    assert CODES == CONTRACT
    assert len(set(CODES.values())) == len(CODES) - 1  # two kinds of too much


def test_every_error_has_a_reason_of_its_own() -> None:
    reasons = [kind.reason for kind in KINDS]
    assert len(set(reasons)) == len(reasons)
    assert set(reasons) - set(CODES) == {kind.reason for kind in NEVER_SENT}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NEVER_SENT])
def test_every_error_goes_out_with_its_code(kind: type[KnowledgeError]) -> None:
    wire = to_wire(made(kind))
    assert (wire.code, wire.message) == (CONTRACT[kind.reason], "A message.")
    assert wire.data["reason"] == kind.reason
    assert wire.data["retryable"] == (kind.reason in RETRYABLE)


def test_an_overload_says_when_to_come_again() -> None:
    assert to_wire(errors.Overloaded("m", retry_after_ms=5)).data["retry_after_ms"] == 5


def test_a_wire_error_stays_what_it_is() -> None:
    error = WireError.parse_error()
    assert to_wire(error) is error


def test_an_error_nobody_foresaw_is_told_by_reference_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        wire = to_wire(ValueError("the caller's secret text"))
    assert (wire.code, wire.message) == (-32603, "internal error")
    assert set(wire.data) == {"reason", "retryable", "ref"}
    assert wire.data["ref"] in caplog.text
    assert "secret" not in caplog.text
