"""Power failures by chance, one after the other on one store, each held to what was acknowledged.

    python -m reliability.power_loss --rounds 200 --seed 1

Each round is a daemon under mixed stores, updates, deletes and compaction that is killed at a
random moment; its folder becomes what a disk may then have (`lost_writes.py`), and the next daemon
has to start with it. Prints JSON.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import model_cache
from process import Daemon, DidNotStart
from reliability import pictured
from reliability.lost_writes import lose
from wire import Raw, RpcError, request, result_of

_CLIENTS = 3
_MOST_CALLS = 60
_LONGEST_LIFE_S = 20.0
_SLOWEST_SYNC_S = 0.03
_ABSENT = ""
_WORDS = ("backup", "release", "index", "worker", "deadline", "cache", "review", "migration")


class PicturedDaemon(Daemon):
    program: ClassVar = (pictured.__file__,)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.environment = {pictured.SLOWNESS: str(_SLOWEST_SYNC_S)}


class Ledger:
    """What each entry may say now: what was acknowledged last, and what was asked for since."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._n = 0
        self.texts: dict[str, set[str]] = {}

    def new_id(self) -> str:
        self._n += 1
        return f"{self._prefix}-{self._n}"

    def asked(self, entry_id: str, text: str) -> None:
        self.texts.setdefault(entry_id, {_ABSENT}).add(text)

    def acknowledged(self, entry_id: str, text: str) -> None:
        self.texts[entry_id] = {text}

    def present(self) -> list[str]:
        return [entry_id for entry_id, texts in self.texts.items() if _ABSENT not in texts]


class Client(threading.Thread):
    """Stores, updates, deletes and compacts until the daemon is gone."""

    def __init__(self, daemon: Daemon, ledger: Ledger, seed: int) -> None:
        super().__init__()
        self._daemon, self._ledger = daemon, ledger
        self._source = random.Random(seed)
        self.n_acknowledged = 0
        self.refused: list[str] = []

    def run(self) -> None:
        try:
            with self._daemon.raw() as raw:
                while True:
                    self._act(raw)
        except (OSError, EOFError, ValueError):
            return  # it was killed
        except RpcError as error:
            self.refused.append(str(error))

    def _act(self, raw: Raw) -> None:
        present = self._ledger.present()
        acts: list[Callable[[Raw, list[str]], None]] = [self._asks_to_store] * 5
        acts.append(self._asks_to_store_many)
        if present:
            acts.extend([self._asks_to_update, self._asks_to_delete] * 2)
            acts.append(self._asks_to_optimize)
        self._source.choice(acts)(raw, present)

    def _asks_to_store(self, raw: Raw, _present: list[str]) -> None:
        entry_id, text = self._ledger.new_id(), self._text()
        self._ledger.asked(entry_id, text)
        self._call(raw, "knowledge.store", {"id": entry_id, "text": text})
        self._done({entry_id: text})

    def _asks_to_store_many(self, raw: Raw, _present: list[str]) -> None:
        new = {self._ledger.new_id(): self._text() for _ in range(self._source.randint(2, 12))}
        for entry_id, text in new.items():
            self._ledger.asked(entry_id, text)
        items = [{"id": entry_id, "text": text} for entry_id, text in new.items()]
        batch = self._call(raw, "knowledge.store_batch", {"items": items})
        if batch["failed"]:
            self.refused.append(f"{batch['failed']} of a batch")
        self._done(new)

    def _asks_to_update(self, raw: Raw, present: list[str]) -> None:
        entry_id, text = self._source.choice(present), self._text()
        self._ledger.asked(entry_id, text)
        self._call(raw, "knowledge.update", {"id": entry_id, "text": text})
        self._done({entry_id: text})

    def _asks_to_delete(self, raw: Raw, present: list[str]) -> None:
        gone = self._source.sample(present, min(len(present), self._source.randint(1, 3)))
        for entry_id in gone:
            self._ledger.asked(entry_id, _ABSENT)
        self._call(raw, "knowledge.delete", {"ids": gone})
        self._done(dict.fromkeys(gone, _ABSENT))

    def _asks_to_optimize(self, raw: Raw, _present: list[str]) -> None:
        try:
            self._call(raw, "system.optimize", {})
        except RpcError as error:
            if error.reason != "conflict":  # another client has asked for it
                raise

    def _done(self, texts: dict[str, str]) -> None:
        for entry_id, text in texts.items():
            self._ledger.acknowledged(entry_id, text)
        self.n_acknowledged += 1

    def _text(self) -> str:
        return " ".join(self._source.choices(_WORDS, k=6)) + f" {self._source.randrange(10**9)}"

    def _call(self, raw: Raw, method: str, params: dict[str, Any]) -> Any:
        raw.send_line(request(method, params))
        while "method" in (answer := raw.line()):  # how a job goes on
            continue
        return result_of(answer)


def run(seed: int, rounds: int, home: Path) -> dict[str, Any]:
    """`home` holds a model and no store. All lists in the report are empty if nothing is wrong."""
    source = random.Random(seed)
    ledgers = [Ledger(f"c{number}") for number in range(_CLIENTS)]
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    fates: Counter[str] = Counter()
    n_acknowledged = n_early = 0
    slowest_start_s = 0.0
    for number in range(rounds + 1):
        daemon = PicturedDaemon(home).start()
        begun_s = time.monotonic()
        is_last = number == rounds
        if not is_last and source.random() < 0.15:  # while it starts
            time.sleep(source.uniform(0, 1))
            n_early += 1
            _kill(daemon)
        else:
            try:
                daemon.wait_ready()
            except DidNotStart as refused:
                found["not_started"].append(f"round {number}: {str(refused)[-3000:]}")
                daemon.discard()
                break
            slowest_start_s = max(slowest_start_s, time.monotonic() - begun_s)
            _compare(daemon, ledgers, number, found)
            if is_last:
                _end(daemon, found)
                break
            n_acknowledged += _under_load(daemon, ledgers, source, number, found)
        fates += lose(home, source)
    return {
        "seed": seed,
        "rounds": rounds,
        "killed_while_starting": n_early,
        "acknowledged": n_acknowledged,
        "entries": sum(len(ledger.present()) for ledger in ledgers),
        "files": dict(fates),
        "healed": len(list((home / "quarantine").glob("*"))),
        "slowest_start_s": round(slowest_start_s, 2),
        **found,
    }


_KINDS = ("not_started", "lost", "changed", "resurrected", "twice", "refused", "problems")


def failed(report: dict[str, Any]) -> bool:
    return any(report[kind] for kind in _KINDS)


def _under_load(
    daemon: Daemon,
    ledgers: Sequence[Ledger],
    source: random.Random,
    number: int,
    found: dict[str, list[str]],
) -> int:
    clients = [Client(daemon, ledger, source.randrange(1 << 30)) for ledger in ledgers]
    for client in clients:
        client.start()
    # Calls, not seconds: a busy machine would be killed before it has done anything.
    enough, until_s = source.randrange(_MOST_CALLS), time.monotonic() + _LONGEST_LIFE_S
    while sum(client.n_acknowledged for client in clients) < enough:
        if time.monotonic() > until_s:
            break
        time.sleep(0.002)
    time.sleep(source.uniform(0, _SLOWEST_SYNC_S))
    _kill(daemon)
    for client in clients:
        client.join()
        found["refused"] += [f"round {number}: {refused}" for refused in client.refused]
    return sum(client.n_acknowledged for client in clients)


def _kill(daemon: Daemon) -> None:
    daemon.kill()
    daemon.discard()


def _compare(
    daemon: Daemon, ledgers: Sequence[Ledger], number: int, found: dict[str, list[str]]
) -> None:
    """And settle what was in doubt: it is one or the other from now on."""
    there: dict[str, str] = {}
    cursor = None
    while True:
        page = daemon.call("knowledge.query", {"limit": 1000, "cursor": cursor})
        for entry in page["results"]:
            if entry["id"] in there:
                found["twice"].append(f"round {number}: {entry['id']}")
            there[entry["id"]] = entry["text"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    for ledger in ledgers:
        for entry_id, texts in ledger.texts.items():
            text = there.pop(entry_id, _ABSENT)
            if text not in texts:
                found[_wrong(text, texts)].append(f"round {number}: {entry_id}")
            ledger.acknowledged(entry_id, text)
    found["resurrected"] += [f"round {number}: {entry_id}" for entry_id in there]


def _wrong(text: str, texts: set[str]) -> str:
    if text == _ABSENT:
        return "lost"
    return "resurrected" if texts == {_ABSENT} else "changed"


def _end(daemon: Daemon, found: dict[str, list[str]]) -> None:
    """At last all of it is proved, and the daemon stops."""
    job = daemon.call("job.wait", {"id": daemon.call("system.verify")["id"]})
    found["problems"] += [problem["kind"] for problem in job["result"]["problems"]]
    if daemon.stop() != 0:
        found["problems"].append("it did not stop cleanly")
    daemon.discard()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the home where something fails")
    options = parser.parse_args(arguments)
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))
    report = None
    try:
        (home / "models").mkdir(mode=0o700)
        model = model_cache.make_model(model_cache.ARCHIVE)
        shutil.copyfile(model, home / "models" / model.name)
        report = run(options.seed, options.rounds, home)
    finally:
        if options.keep and (report is None or failed(report)):
            sys.stderr.write(f"the home: {home}\n")
        else:
            shutil.rmtree(home, ignore_errors=True)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return int(failed(report))


if __name__ == "__main__":
    sys.exit(main())
