"""Every call is answered, whatever becomes of what it waits for."""

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cco_knowledge.rpc import dispatch, params
from cco_knowledge.rpc.caller import Caller, Gate
from cco_knowledge.rpc.methods import METHODS, Deadline, Method
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import Peer
from cco_knowledge.rpc.system import Host
from cco_knowledge.tokens import TokenFile
from cco_knowledge.turns import Origin

CALL = b'{"jsonrpc":"2.0","id":7,"method":"gives.up"}'


async def gives_up(*_: Any) -> object:
    """As a future of somebody else that was cancelled."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


async def never(*_: Any) -> object:
    return await asyncio.get_running_loop().create_future()


def dispatcher_of(handler: Any, patch: pytest.MonkeyPatch) -> dispatch.Dispatcher:
    method = Method("Gives up.", params.NoParams, object, handler, role="reader")
    patch.setitem(METHODS, "gives.up", method)
    service: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    service.set_result(SimpleNamespace(limited_to=lambda _: None))
    return dispatch.Dispatcher(cast("Host", None), dict.fromkeys(Deadline, 60.0), service)


def arrival(tmp_path: Path) -> Arrival:
    gate = Gate(TokenFile(tmp_path / "api_token", print), require_token=False, calls_per_s=0)
    return Arrival(Caller(gate, Peer(1, os.geteuid()), Origin(1, 1)), len(CALL))


async def test_what_a_call_waits_for_may_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = dispatcher_of(gives_up, monkeypatch)
    answer = await dispatcher.answer(CALL, arrival(tmp_path))
    assert answer is not None
    told = json.loads(answer)
    assert (told["id"], told["error"]["data"]["reason"]) == (7, "internal")


async def test_a_call_that_is_cancelled_itself_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = dispatcher_of(never, monkeypatch)
    call = asyncio.create_task(dispatcher.answer(CALL, arrival(tmp_path)))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
