"""Ten clients notice nothing of a daemon that is only starting."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import assert_healthy
from entries import query_ids
from process import Daemon
from wire import FRAMINGS


@pytest.mark.parametrize("framing", FRAMINGS)
def test_ten_who_connect_while_it_starts_wait_and_are_answered(home: Path, framing: str) -> None:
    """From the moment that anybody listens; whoever gets a connection gets an answer."""
    daemon = Daemon(home)
    was_ready: list[bool] = []
    ids: list[str] = []

    def store(number: int) -> None:
        daemon.wait_listening()
        was_ready.append(daemon.call("system.status", framing=framing)["ready"])
        params = {"text": f"early {number}", "id": f"early-{number}"}
        ids.append(daemon.call("knowledge.store", params, framing)["id"])

    try:
        with ThreadPoolExecutor(10) as clients:
            stored = [clients.submit(store, number) for number in range(10)]
            daemon.start()
        for one in stored:
            one.result()
        daemon.wait_ready()
        assert sorted(ids) == sorted(query_ids(daemon))
        assert len(ids) == 10
        assert framing == "http" or not was_ready[0]  # HTTP waits for aiohttp meanwhile
        assert daemon.stop() == 0
        assert_healthy(daemon.stderr)
    finally:
        daemon.discard()
