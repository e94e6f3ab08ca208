"""The main job on real input: the queries of a labelled set find what its labels say."""

import json
import sys
from pathlib import Path

import pytest

from entries import store_all
from labelled_set import LabelledSet
from process import Daemon

DEVBENCH = Path(__file__).parents[3] / "shared" / "data" / "devbench"
RECALL_AT_5_FLOOR = 0.90
MRR_FLOOR = 0.85
NDCG_AT_10_FLOOR = 0.86


@pytest.mark.skipif(not DEVBENCH.is_dir(), reason=f"no labelled set at {DEVBENCH}")
def test_labelled_queries_find_their_entries(shared_daemon: Daemon) -> None:
    labelled = LabelledSet.read(DEVBENCH)
    lines = labelled.corpus.read_text("utf-8").splitlines()
    store_all(shared_daemon, "devbench", *map(json.loads, lines))

    def rank(query: str) -> list[str]:
        search = {"query": query, "project_id": "devbench", "limit": 10}
        return [hit["id"] for hit in shared_daemon.call("knowledge.search", search)["results"]]

    scores = labelled.scores(rank)
    sys.stdout.write(f"devbench: {scores}\n")
    assert len(labelled.labels) == 15
    assert scores.recall_at_5 >= RECALL_AT_5_FLOOR
    assert scores.mrr >= MRR_FLOOR
    assert scores.ndcg_at_10 >= NDCG_AT_10_FLOOR
