"""A store against a dictionary: any order of changes, searches, compactions, kills and restarts.

Deterministic (see the profile in conftest); hypothesis shrinks what fails to the fewest steps.
"""

import shutil
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conftest import MakeHome
from entries import listed
from process import Daemon

IDS = st.sampled_from([f"e{number}" for number in range(6)])
TEXTS = st.sampled_from([f"text {number} of a few words" for number in range(8)])


class AgainstADictionary(RuleBasedStateMachine):
    homes: ClassVar[list[MakeHome]] = []
    """Where the last one makes the next."""

    def __init__(self) -> None:
        super().__init__()
        self.home = self.homes[-1]()
        self.texts: dict[str, str] = {}
        self.is_changed = False
        self.daemon = Daemon(self.home).start().wait_ready()

    def teardown(self) -> None:
        self._check()
        self.daemon.kill()
        self.daemon.discard()
        shutil.rmtree(self.home)

    @rule(one=IDS, text=TEXTS)
    def store(self, one: str, text: str) -> None:
        params = {"id": one, "text": text, "on_duplicate": "store"}
        if self.texts.get(one, text) == text:
            self.daemon.call("knowledge.store", params)
            self.texts[one] = text
        else:
            assert self.daemon.refusal("knowledge.store", params).reason == "conflict"
        self.is_changed = True

    @rule(texts=st.dictionaries(IDS, TEXTS, min_size=1, max_size=4))
    def store_batch(self, texts: dict[str, str]) -> None:
        items = [{"id": i, "text": t, "on_duplicate": "store"} for i, t in texts.items()]
        results = self.daemon.call("knowledge.store_batch", {"items": items})["results"]
        for (one, text), result in zip(texts.items(), results, strict=True):
            assert ("error" in result) == (self.texts.get(one, text) != text)
            self.texts.setdefault(one, text)
        self.is_changed = True

    @rule(one=IDS, text=TEXTS)
    def update(self, one: str, text: str) -> None:
        params = {"id": one, "text": text}
        if one in self.texts:
            self.daemon.call("knowledge.update", params)
            self.texts[one] = text
        else:
            assert self.daemon.refusal("knowledge.update", params).reason == "not_found"
        self.is_changed = True

    @rule(ids=st.lists(IDS, min_size=1, max_size=3, unique=True))
    def delete(self, ids: list[str]) -> None:
        there = [one for one in ids if self.texts.pop(one, None) is not None]
        assert self.daemon.call("knowledge.delete", {"ids": ids})["deleted"] == len(there)
        self.is_changed = True

    @precondition(lambda self: self.texts)
    @rule(text=TEXTS)
    def search(self, text: str) -> None:
        hits = self.daemon.call("knowledge.search", {"query": text, "limit": 10})["results"]
        assert {hit["id"] for hit in hits} == self.texts.keys()
        best = [hit["text"] for hit in hits if hit["score"] == hits[0]["score"]]
        assert text in best or text not in self.texts.values()

    @rule()
    def optimize(self) -> None:
        job = self.daemon.call("job.wait", {"id": self.daemon.call("system.optimize")["id"]})
        assert job["state"] == "done"

    @rule(cleanly=st.booleans())
    def restart(self, *, cleanly: bool) -> None:
        if cleanly:
            assert self.daemon.stop() == 0
        else:
            self.daemon.kill()
        self.daemon.discard()
        self.daemon = Daemon(self.home).start().wait_ready()
        self.is_changed = True

    @invariant()
    def holds_what_the_dictionary_holds(self) -> None:
        if self.is_changed:
            self._check()

    def _check(self) -> None:
        self.is_changed = False
        found: list[dict[str, Any]] = listed(self.daemon, limit=1000)
        assert sorted((e["id"], e["text"]) for e in found) == sorted(self.texts.items())


@pytest.mark.timeout(300)
def test_a_store_is_a_dictionary_that_survives(new_home: MakeHome) -> None:
    AgainstADictionary.homes.append(new_home)
    run_state_machine_as_test(
        AgainstADictionary, settings=settings(max_examples=4, stateful_step_count=12)
    )
