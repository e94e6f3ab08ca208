"""A client that changes entries of its own at random, and keeps what it was told."""

import itertools
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cco_knowledge_client import KnowledgeClient, KnowledgeError, Unreachable
from reliability.expected import Act, Expected

_ANSWER_LIMIT_S = 60.0
_BATCH = 5
_AT_MOST = 60
"""Entries of one client; above it, it rather deletes."""
_WORDS = ("backup", "release", "index", "worker", "deadline", "cache", "review", "migration")


class Client:
    """One thread's; no other changes the same entries."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.expected = Expected()
        self.doubts: list[Act] = []
        self.n_acknowledged = 0
        self.refusals: list[str] = []
        """Errors of the daemon; none is expected."""
        self.name = name
        self._rng = rng
        self._numbers = itertools.count()

    def work(self, socket_path: Path, ended: threading.Event) -> None:
        """Until the daemon is gone, or `ended`."""
        with KnowledgeClient(socket_path, timeout_s=_ANSWER_LIMIT_S) as knowledge:
            while not ended.is_set() and self._one(knowledge, self._next_act()):
                pass

    def try_again(self, knowledge: KnowledgeClient) -> None:
        """What was in doubt is certain afterwards."""
        doubts, self.doubts = self.doubts, []
        for act in doubts:
            self._one(knowledge, act)

    def _one(self, knowledge: KnowledgeClient, act: Act) -> bool:
        """False: nobody answers any more."""
        try:
            result = knowledge.call(act.method, act.params)
        except Unreachable:
            self.doubts.append(act)
            return False
        except KnowledgeError as error:
            self.refusals.append(f"{act.method}: {error.reason}")
            return True
        if result.get("failed"):
            self.refusals.append(f"{act.method}: {result['failed']} items failed")
        self.expected.apply(act)
        self.n_acknowledged += 1
        return True

    def _next_act(self) -> Act:
        mine = sorted(self.expected.texts)
        current = [one for one in mine if one not in self.expected.successors]
        choices: list[tuple[int, Any]] = [(3, self._store), (1, self._batch)]
        if current:
            choices += [(2, lambda: self._update(current)), (2, lambda: self._supersede(current))]
        if mine:
            weight = 8 if len(mine) > _AT_MOST else 2
            choices.append((weight, lambda: self._delete(mine)))
        weights = [weight for weight, _ in choices]
        (act,) = self._rng.choices([make for _, make in choices], weights)
        made: Act = act()
        return made

    def _store(self) -> Act:
        item = self._item()
        return Act("knowledge.store", item, {item["id"]: item["text"]})

    def _batch(self) -> Act:
        items = [self._item() for _ in range(_BATCH)]
        stores = {item["id"]: item["text"] for item in items}
        return Act("knowledge.store_batch", {"items": items}, stores)

    def _supersede(self, current: Sequence[str]) -> Act:
        item, older = self._item(), self._rng.choice(current)
        params = {**item, "supersedes": [older]}
        return Act("knowledge.store", params, {item["id"]: item["text"]}, supersedes=older)

    def _update(self, current: Sequence[str]) -> Act:
        one, text = self._rng.choice(current), self._text()
        return Act("knowledge.update", {"id": one, "text": text}, {one: text})

    def _delete(self, mine: Sequence[str]) -> Act:
        ids = self._rng.sample(mine, min(len(mine), self._rng.choice((1, 1, 3, 10))))
        return Act("knowledge.delete", {"ids": ids}, deletes=ids)

    def _item(self) -> dict[str, Any]:
        text = self._text()
        return {
            "id": f"{self.name}-{next(self._numbers)}",
            "text": text,
            "project_id": self.name,
            "metadata": {"words": len(text.split())},
        }

    def _text(self) -> str:
        words = self._rng.choices(_WORDS, k=self._rng.randint(2, 8))
        return f"{self.name} {self._rng.getrandbits(64):x} {' '.join(words)}"
