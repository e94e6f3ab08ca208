import pickle

import pytest

from cco_knowledge_client import (
    DeadlineExceeded,
    InternalError,
    InvalidParams,
    KnowledgeError,
    NotFound,
    Overloaded,
    ProtocolError,
    RateLimited,
    Unreachable,
    errors,
)

CONTRACT_SECTION_5 = {
    "parse_error": (-32700, False),
    "invalid_request": (-32600, False),
    "method_not_found": (-32601, False),
    "invalid_params": (-32602, False),
    "internal": (-32603, False),
    "not_found": (-32010, False),
    "conflict": (-32011, False),
    "unavailable": (-32012, True),
    "deadline_exceeded": (-32013, True),
    "embedding_failed": (-32014, False),
    "store_failed": (-32015, False),
    "unauthorized": (-32016, False),
    "overloaded": (-32017, True),
    "rate_limited": (-32017, True),
    "storage_full": (-32018, True),
    "too_large": (-32019, False),
}


def test_codes_are_those_of_the_contract() -> None:
    assert dict(errors.CODES) == {reason: code for reason, (code, _) in CONTRACT_SECTION_5.items()}


@pytest.mark.parametrize("reason", CONTRACT_SECTION_5)
def test_each_reason_has_its_exception(reason: str) -> None:
    code, retryable = CONTRACT_SECTION_5[reason]
    data = {"reason": reason, "retryable": retryable}
    error = errors.error_from({"code": code, "message": "why", "data": data})
    assert type(error) is not KnowledgeError
    assert (error.code, error.reason, error.retryable, str(error)) == (
        code,
        reason,
        retryable,
        "why",
    )
    bare = errors.error_from({"code": code, "message": "why"})
    assert isinstance(error, type(bare))
    assert bare.retryable is retryable


def test_facts_of_the_answer_win_over_the_defaults() -> None:
    data = {"reason": "not_found", "retryable": True, "more": 1}
    error = errors.error_from({"code": -1, "message": "", "data": data})
    assert isinstance(error, NotFound)
    assert (error.code, error.retryable, error.data["more"]) == (-1, True, 1)


def test_a_reason_that_this_client_does_not_know() -> None:
    data = {"reason": "too_early", "retryable": True}
    error = errors.error_from({"code": -32050, "message": "new", "data": data})
    assert type(error) is KnowledgeError
    assert (error.code, error.reason, error.retryable) == (-32050, "too_early", True)


def test_facts_by_name() -> None:
    assert InvalidParams("", field="text").field == "text"
    assert Overloaded("", retry_after_ms=50).retry_after_ms == 50
    assert isinstance(RateLimited(""), Overloaded)
    assert InternalError("", ref="abc").ref == "abc"
    assert Unreachable("").retryable
    assert DeadlineExceeded("").code == -32013


@pytest.mark.parametrize("sent", [None, "no", {}, {"code": "x"}])
def test_what_is_no_error_object(sent: object) -> None:
    assert isinstance(errors.error_from(sent), ProtocolError)


def test_errors_travel_between_processes() -> None:
    data = {"reason": "invalid_params", "retryable": False, "field": "text"}
    error = errors.error_from({"code": -32602, "message": "why", "data": data})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (type(copy), copy.message, copy.data) == (InvalidParams, "why", data)
