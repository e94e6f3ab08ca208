"""export and import, with a daemon that a test plays."""

import json
import stat
from pathlib import Path
from typing import Any

from ndjson_peer import ENTRY, Peer, Recorded, ScriptedDaemon, serving
from outcome import Outcome, kmctl_process


def pages(params: dict[str, Any]) -> dict[str, Any]:
    if "cursor" not in params:
        return {"results": [ENTRY], "total": 2, "next_cursor": "next"}
    return {"results": [{**ENTRY, "id": "z"}], "total": 2, "next_cursor": None}


def test_export(command: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.jsonl"
    target.write_text("old")
    query = Recorded({"knowledge.query": pages})
    with serving(query, query) as daemon:
        at = ("--socket", str(daemon.path))
        outcome = command("export", str(target), "--json", *at)
        assert outcome.json == {"exported": 2, "file": str(target)}
        to_stdout = command("export", "-", *at).out
    lines = target.read_text().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [ENTRY, {**ENTRY, "id": "z"}]
    assert to_stdout == target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert query.params[0] == {
        "include_superseded": True,
        "order_by": "id",
        "descending": False,
        "limit": 200,
    }


def test_an_export_that_fails_leaves_the_old_file(command: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.jsonl"
    target.write_text("old")

    def fails_on_the_second_page(peer: Peer) -> None:
        request = peer.read()
        peer.answer(request, pages(request["params"]))
        peer.refuse(peer.read(), -32015, "store_failed")

    with serving(fails_on_the_second_page) as daemon:
        assert command("export", str(target), "--socket", str(daemon.path)).code == 1
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


class Importing(Recorded):
    """A daemon that has done each job when it is asked for it; `refused` texts fail."""

    def __init__(self) -> None:
        super().__init__(
            {
                "system.ping": "pong",
                "knowledge.import": self._receive,
                "job.wait": lambda _params: {
                    "id": "import-1",
                    "state": "done",
                    "result": self.done,
                },
            }
        )
        self.items: list[dict[str, Any]] = []

    def _receive(self, params: dict[str, Any]) -> dict[str, Any]:
        assert params.get("job") == ("import-1" if self.items else None)
        self.items += params.get("items", [])
        return {"id": "import-1"}

    @property
    def done(self) -> dict[str, Any]:
        refused = [
            {"item": number, "reason": "conflict", "message": "other content"}
            for number, item in enumerate(self.items, 1)
            if item["text"] == "refused"
        ]
        n_stored = len(self.items) - len(refused)
        counts = {"stored": n_stored, "unchanged": 0, "failed": len(refused)}
        return {**counts, "errors": refused}

    @property
    def batches(self) -> list[list[dict[str, Any]]]:
        return [params["items"] for params in self.params if params.get("items")]


def import_from(
    data: bytes, command: Any, tmp_path: Path, daemon: ScriptedDaemon, *flags: str
) -> Outcome:
    source = tmp_path / "source.jsonl"
    source.write_bytes(data)
    at = ("--socket", str(daemon.path))
    outcome: Outcome = command("import", str(source), "--json", *flags, *at)
    return outcome


def test_import_reports_bad_lines_and_stores_the_others(command: Any, tmp_path: Path) -> None:
    data = b"\n".join(
        [
            json.dumps(ENTRY, ensure_ascii=False).encode(),
            b"not json",
            b"",
            b'{"text": "caf\xe9"}',
            b'["no object"]',
            b'{"text": "x", "metadata": {"n": NaN}}',
            b'{"text": "x", "metadata": {"n": 1e999}}',
            b'{"text": "\\ud800"}',
            b"[" * 100_000,
            b'{"text": "refused", "id": "r"}',
            b'{"text": "seen", "superseded_by": null}\r',
            b'{"text": "old", "id": "o", "migration": {"run": "r", "record": "d"}}',
        ]
    )
    daemon_side = Importing()
    with serving(daemon_side) as daemon:
        outcome = import_from(data, command, tmp_path, daemon)
    assert outcome.code == 1
    report = outcome.json
    assert {name: report[name] for name in ("job", "read", "stored", "failed")} == {
        "job": "import-1",
        "read": 11,
        "stored": 3,
        "failed": 8,
    }
    assert [(error["line"], error["reason"]) for error in report["errors"]] == [
        (2, "parse_error"),
        (4, "parse_error"),
        (5, "invalid_params"),
        (6, "parse_error"),
        (7, "invalid_params"),
        (8, "invalid_params"),
        (9, "parse_error"),
        (10, "conflict"),
    ]
    assert daemon_side.batches == [
        [
            {key: value for key, value in ENTRY.items() if value is not None}
            | {"on_duplicate": "store"},
            {"text": "refused", "id": "r", "on_duplicate": "store"},
            {"text": "seen"},
            {"text": "old", "id": "o", "migration": {"run": "r", "record": "d"}},
        ]
    ]


def test_import_sends_batches_of_bounded_size(command: Any, tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"t{n}"}) for n in range(1250)]
    lines += [json.dumps({"text": "x" * 600_000})] * 3
    daemon_side = Importing()
    with serving(daemon_side) as daemon:
        outcome = import_from("\n".join(lines).encode(), command, tmp_path, daemon)
    assert (outcome.code, outcome.json["stored"]) == (0, 1253)
    assert [len(batch) for batch in daemon_side.batches] == [1000, 251, 1, 1]


def test_import_skips_a_line_that_is_too_long(command: Any, tmp_path: Path) -> None:
    data = b'{"text": "' + b"x" * (40 << 20) + b'"}\n{"text": "good"}\n'
    daemon_side = Importing()
    with serving(daemon_side) as daemon:
        outcome = import_from(data, command, tmp_path, daemon)
    assert outcome.json["stored"] == 1
    assert [(e["line"], e["reason"]) for e in outcome.json["errors"]] == [(1, "too_large")]


def test_import_finds_the_line_for_which_a_whole_call_is_refused(
    command: Any, tmp_path: Path
) -> None:
    daemon_side = Importing()

    def refuse_whole_calls(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            items = request["params"].get("items", [])
            if any(item["text"] == "poison" for item in items):
                peer.refuse(request, -32602, "invalid_params", retryable=False)
            else:
                result = daemon_side.results[request["method"]]
                peer.answer(request, result(request["params"]) if callable(result) else result)

    lines = [b'{"text": "a"}', b'{"text": "poison"}', b'{"text": "refused"}', b'{"text": "c"}']
    with serving(refuse_whole_calls) as daemon:
        outcome = import_from(b"\n".join(lines), command, tmp_path, daemon)
    assert (outcome.code, outcome.json["stored"], outcome.json["failed"]) == (1, 2, 2)
    assert [error["line"] for error in outcome.json["errors"]] == [2, 3]


def test_import_need_not_wait(command: Any, tmp_path: Path) -> None:
    daemon_side = Importing()
    with serving(daemon_side) as daemon:
        outcome = import_from(b'{"text": "x"}', command, tmp_path, daemon, "--no-wait")
    assert (outcome.code, outcome.json["job"]) == (0, "import-1")
    assert {"id": "import-1"} not in daemon_side.params, "it does not wait"


def test_import_for_people(command: Any, tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    source.write_bytes(b'{"text": "x"}\nbad\n')
    with serving(Importing()) as daemon:
        outcome = command("import", str(source), "--socket", str(daemon.path))
    assert outcome.out == "2 read, 1 stored, 0 unchanged, 1 failed\n"
    assert outcome.err.startswith("line 2: ")


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    with serving(Recorded({"knowledge.query": pages})) as daemon:
        process = kmctl_process("export", "-", "--socket", str(daemon.path))
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 1
    assert b"Traceback" not in err
    assert b"Exception" not in err
