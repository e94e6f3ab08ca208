"""The log of a detached daemon stays small, and all of it is in there."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

from outcome import Kmctl
from wire import answers, request

MAX_BYTES = 2000
N_BACKUPS = 2


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def test_old_lines_go_and_nobody_else_reads_the_rest(kmctl: Kmctl) -> None:
    kmctl.home.joinpath("knowledge.toml").write_text(
        f"[log]\nmax_bytes = {MAX_BYTES}\nbackups = {N_BACKUPS}\n"
    )
    pid = kmctl.json("start", "--detach")["pid"]
    for number in range(60):
        answers(kmctl.home / "knowledge.sock", "ndjson", request("system.ping", request_id=number))
    logs = sorted(kmctl.home.joinpath("logs").iterdir())
    assert [log.name for log in logs] == ["knowledge.log", "knowledge.log.1", "knowledge.log.2"]
    assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}
    assert max(log.stat().st_size for log in logs) <= MAX_BYTES
    ids = [line["id"] for log in reversed(logs) for line in lines_of(log)]
    assert ids == list(range(60 - len(ids), 60))
    if sys.platform == "linux":  # elsewhere nothing tells where another process writes to
        for standard in (1, 2):
            assert Path(f"/proc/{pid}/fd/{standard}").readlink() == logs[0].resolve()
