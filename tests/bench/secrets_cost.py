"""What looking for secrets costs, and how much it finds. Prints one JSON object.

Stores the same kind of texts with the policy `allow`, which looks at nothing, and with `redact`,
in turns on one daemon, so that other users of the machine meet both.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

import model_cache
from bench.texts import texts
from cco_knowledge import secret_values
from cco_knowledge_client import KnowledgeClient
from process import Daemon
from secret_texts import labelled

_ROUNDS = 8
_LONG_CHARACTERS = 256 << 10
_POLICIES = ("allow", "redact")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/measure_secrets", description=__doc__)
    parser.add_argument("--stores", type=int, default=400, help="with each policy")
    options = parser.parse_args()
    result = {"found": _found(), "scan": _scan(), "store": _stored(options.stores)}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def _found() -> dict[str, Any]:
    """Of each half of the labelled set."""
    result = {}
    for half in ("dev", "test"):
        with_secret = [one for one in labelled.positives() if one.half == half]
        without = [one["text"] for one in labelled.negatives() if one["half"] == half]
        n_found = sum(not one.is_readable_in(_clean(one.text)) for one in with_secret)
        n_alarms = sum(_clean(text) != text for text in without)
        result[half] = {
            "texts_with": len(with_secret),
            "recall": round(n_found / len(with_secret), 4),
            "texts_without": len(without),
            "false_alarms": round(n_alarms / len(without), 4),
        }
    return result


def _scan() -> dict[str, float]:
    short = texts(200, words=(40, 40), seed=5)
    joined = "\n".join(one["text"] for one in labelled.negatives())
    long = (joined * (_LONG_CHARACTERS // len(joined) + 1))[:_LONG_CHARACTERS]
    begun = time.perf_counter()
    for text in short:
        _clean(text)
    short_s = time.perf_counter() - begun
    begun = time.perf_counter()
    _clean(long)
    return {
        "us_for_40_words": round(short_s / len(short) * 1e6, 1),
        "ms_for_256_kib": round((time.perf_counter() - begun) * 1e3, 1),
    }


def _stored(n_stores: int) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="ks-", dir="/tmp"))
    model = model_cache.make_model(model_cache.ARCHIVE)
    (home / "models").mkdir()
    shutil.copyfile(model, home / "models" / model.name)
    daemon = Daemon(home).start().wait_ready()
    took: dict[str, list[float]] = {policy: [] for policy in _POLICIES}
    resident_mib = {}
    told = iter(texts(2 * n_stores + _ROUNDS, words=(40, 40), seed=6))
    try:
        with KnowledgeClient(socket_path=home / "knowledge.sock") as knowledge:
            for _ in range(_ROUNDS):
                for policy in _POLICIES:
                    (home / "knowledge.toml").write_text(f'[secrets]\npolicy = "{policy}"\n')
                    knowledge.call("system.reload")
                    for text in islice(told, n_stores // _ROUNDS):
                        begun = time.perf_counter()
                        knowledge.store(text, project_id=policy)
                        took[policy].append(time.perf_counter() - begun)
                    resident_mib[policy] = round(
                        psutil.Process(daemon.pid).memory_info().rss / 2**20, 1
                    )
    finally:
        daemon.stop()
        daemon.discard()
        shutil.rmtree(home)
    return {
        policy: {
            "p50_ms": round(quantiles(took[policy], n=20)[9] * 1e3, 2),
            "p95_ms": round(quantiles(took[policy], n=20)[18] * 1e3, 2),
            "resident_mib": resident_mib[policy],
        }
        for policy in _POLICIES
    }


def _clean(text: str) -> str:
    return secret_values.redacted(text)[0]


if __name__ == "__main__":
    main()
