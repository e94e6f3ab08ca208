"""Calls with a token, and tokens to make them with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from cco_knowledge import tokens
from process import Daemon
from wire import Raw, RpcError, request, result_of


def token(home: Path, role: tokens.Role = "writer", **facts: Any) -> str:
    """A new one of that home; what is to be presented."""
    return tokens.create(home / "api_token", role=role, **facts)[1]


class With:
    """A connection that has presented a token."""

    def __init__(self, daemon: Daemon, secret: str) -> None:
        self.raw: Raw = daemon.raw()
        try:
            self.rights = self.call("system.authenticate", {"token": secret})
        except RpcError:
            self.raw.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.__exit__()

    def response(self, method: str, params: object = None) -> Any:
        """The whole answer; progress that comes before it is left out."""
        self.raw.send_line(request(method, params))
        answer = self.raw.line()
        while "method" in answer:
            answer = self.raw.line()
        return answer

    def call(self, method: str, params: object = None) -> Any:
        """Raises RpcError."""
        return result_of(self.response(method, params))

    def reason(self, method: str, params: object = None) -> str:
        """Of the error that a call must bring."""
        response = self.response(method, params)
        assert "error" in response, response
        return RpcError(response["error"]).reason


def post(body: object, secret: str | None, path: str = "POST /rpc") -> bytes:
    """A whole HTTP request, with a token or without."""
    encoded = json.dumps(body).encode() if body is not None else b""
    lines: Sequence[str] = (
        f"{path} HTTP/1.1",
        "Host: cco",
        "Content-Type: application/json",
        f"Content-Length: {len(encoded)}",
        *([f"Authorization: Bearer {secret}"] if secret is not None else []),
    )
    return "\r\n".join([*lines, "", ""]).encode() + encoded
