"""How near unrelated queries come to what is stored, by chance."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cco_knowledge.embedding.interface import Embedder
from cco_knowledge.search.probes import PROBES
from cco_knowledge.store.interface import ANY, Store
from cco_knowledge.types import Filters, Vector

_log = logging.getLogger(__name__)

_DEPTH = 100
_QUANTILE = 0.75
"""Of the probes: their upper end is where a store happens to know something of the matter."""
_AT_LEAST = 8
"""So many probes are something to go by."""
_MOST_COMPARED = 64 * 50_000
"""Probes times entries: above 50,000 entries fewer probes have to do."""
_MIXED_PROBES = [probe for at in range(_AT_LEAST) for probe in PROBES[at::_AT_LEAST]]
_PATIENCE_S = 0.5
_STALE = 1.25
_WRONG = 2.0
"""By this factor the store has grown or shrunk: measure again beside the searches, or before."""


@dataclass(frozen=True, slots=True)
class _Levels:
    n_entries: int
    cosines: Sequence[float]
    """At each rank, from the nearest on."""

    @classmethod
    def of(cls, n_entries: int, probes: Sequence[Sequence[float]]) -> Self:
        """From the cosines that each probe found, the nearest first."""
        return cls(n_entries, [_quantile(at_rank) for at_rank in zip(*probes, strict=False)])

    def at(self, n_entries: int) -> float:
        """Among so many of the entries. The nearest of a tenth is the tenth of all."""
        if not self.cosines:
            return 0.0
        rank = round(self.n_entries / max(n_entries, 1))
        return self.cosines[min(max(rank, 1), len(self.cosines)) - 1]

    def is_off(self, n_entries: int, factor: float) -> bool:
        fewer, more = sorted((self.n_entries, n_entries))
        return more > factor * fewer


_Measuring = tuple["asyncio.Task[_Levels]", "asyncio.Future[_Levels]"]
"""What ends with all probes, and what has the first few of them."""


class Calibration:
    """Measured on first use, and again as the store grows. Costs as much as up to 64 searches.

    A search that comes before there is anything to go by waits for it, but not for long: then the
    first few probes have to do.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._probes: list[Vector] = []
        self._levels: _Levels | None = None
        self.n_measured = 0
        self._measuring: _Measuring | None = None

    async def by_chance(self, filters: Filters, n_passing: int | None = None) -> float:
        """The cosine of the nearest entry to an unrelated query, among those that pass.

        `n_passing`: how many these are, where that is known.
        """
        n_entries = await self._store.count(ANY)
        levels = await self._current(n_entries)
        if n_passing is None:
            n_passing = await self._store.count(filters)
        return levels.at(n_passing)

    async def follow(self) -> None:
        """Begin to measure again where the store has grown or shrunk enough. Waits for nothing."""
        n_entries = await self._store.count(ANY)
        if self._levels is None or self._levels.is_off(n_entries, _STALE):
            self._begun(n_entries)

    async def close(self) -> None:
        if self._measuring is not None:
            task, _ = self._measuring
            task.cancel()
            await asyncio.wait({task})

    async def _current(self, n_entries: int) -> _Levels:
        levels = self._levels
        if levels is not None and not levels.is_off(n_entries, _STALE):
            return levels
        measuring, so_far = self._begun(n_entries)
        if levels is not None and not levels.is_off(n_entries, _WRONG):
            return levels
        await asyncio.wait({measuring}, timeout=_PATIENCE_S)
        await asyncio.wait({so_far})
        if measuring.done() or so_far.cancelled():
            return await asyncio.shield(measuring)
        return so_far.result()

    def _begun(self, n_entries: int) -> "_Measuring":
        """The measuring under way, or else a new one."""
        if self._measuring is None or self._measuring[0].done():
            so_far: asyncio.Future[_Levels] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._measure(n_entries, so_far), name="calibration")
            task.add_done_callback(_log_failure)
            self._measuring = task, so_far
        return self._measuring

    async def _measure(self, n_entries: int, so_far: "asyncio.Future[_Levels]") -> _Levels:
        cosines: list[list[float]] = []
        try:
            n_probes = min(len(PROBES), max(_AT_LEAST, _MOST_COMPARED // max(n_entries, 1)))
            for first in range(0, n_probes, _AT_LEAST):  # not all at once: searches go before
                probes = await self._some_probes(first, min(first + _AT_LEAST, n_probes))
                found = await self._store.nearest_to_each(probes, ANY, _DEPTH)
                cosines += [[match.score for match in matches] for matches in found]
                if not first:
                    so_far.set_result(_Levels.of(n_entries, cosines))
            self._levels = _Levels.of(n_entries, cosines)
            self.n_measured += 1
        finally:
            so_far.cancel()  # in vain, unless this failed or was stopped: then nobody waits on
        return self._levels

    async def _some_probes(self, first: int, end: int) -> Sequence[Vector]:
        """Embedded one after the other, which a full queue never refuses."""
        for text in _MIXED_PROBES[len(self._probes) : end]:
            self._probes.append(await self._embedder.embed(text, as_query=True))
        return self._probes[first:end]


def _log_failure(measuring: "asyncio.Task[_Levels]") -> None:
    if not measuring.cancelled() and (error := measuring.exception()) is not None:
        _log.warning("calibration failed: %s", type(error).__name__)


def _quantile(values: Sequence[float]) -> float:
    return sorted(values)[int(_QUANTILE * len(values))]
