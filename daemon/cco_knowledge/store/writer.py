"""The one task that changes the table: in order, with concurrent inserts in one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cco_knowledge.store.interface import Draft, Stored

_MAX_COMMIT_ROWS = 1000

_T = TypeVar("_T")
Outcome = Stored | Exception
InsertCommit = Callable[[Sequence[Draft]], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class _Insert:
    drafts: Sequence[Draft]
    done: "asyncio.Future[list[Outcome]]"


@dataclass(slots=True)
class _Change:
    apply: Callable[[], Awaitable[Any]]
    done: "asyncio.Future[Any]"


@dataclass(slots=True)
class Writer:
    """A queue in front of the table. `run` is its task; after `close` nothing more gets in.

    No time is spent waiting for company: while one commit is under way the next inserts gather,
    so a lone store is not delayed and a crowd shares its commits.
    """

    commit: InsertCommit
    _queue: "asyncio.Queue[_Insert | _Change | None]" = field(default_factory=asyncio.Queue)

    async def insert(self, drafts: Sequence[Draft]) -> list[Outcome]:
        done: asyncio.Future[list[Outcome]] = _future()
        self._queue.put_nowait(_Insert(drafts, done))
        return await asyncio.shield(done)

    async def change(self, apply: Callable[[], Awaitable[_T]]) -> _T:
        """Run `apply` between commits, alone. What it raises, this raises."""
        done: asyncio.Future[_T] = _future()
        self._queue.put_nowait(_Change(apply, done))
        return await asyncio.shield(done)

    async def prove(self) -> None:
        """Returns when all that waited before is done, and so when the queue moves."""

        async def nothing() -> None:
            pass

        await self.change(nothing)

    async def run(self) -> None:
        """Returns after `close`, when all that came before it is done."""
        held: _Insert | _Change | None = None
        while True:
            work = held or await self._queue.get()
            held = None
            if work is None:
                return
            if isinstance(work, _Insert):
                group, held = self._gather(work)
                await self._commit(group)
            else:
                await _settle(work.done, work.apply())

    def close(self) -> None:
        self._queue.put_nowait(None)

    def _gather(self, first: _Insert) -> tuple[list[_Insert], _Change | None]:
        """The inserts that wait in a row, and the change that ended the row, if one did."""
        group, rows = [first], len(first.drafts)
        while rows < _MAX_COMMIT_ROWS and not self._queue.empty():
            work = self._queue.get_nowait()
            if work is None:
                self.close()
                break
            if isinstance(work, _Change):
                return group, work
            group.append(work)
            rows += len(work.drafts)
        return group, None

    async def _commit(self, group: Sequence[_Insert]) -> None:
        drafts = [draft for insert in group for draft in insert.drafts]
        try:
            outcomes = await self.commit(drafts)
        except Exception as error:  # noqa: BLE001  # every caller hears it; the writer goes on
            for insert in group:
                insert.done.set_exception(error)
            return
        remaining = iter(outcomes)
        for insert in group:
            insert.done.set_result([next(remaining) for _ in insert.drafts])


async def _settle(done: "asyncio.Future[Any]", work: Awaitable[Any]) -> None:
    try:
        result = await work
    except Exception as error:  # noqa: BLE001  # the caller hears it; the writer goes on
        done.set_exception(error)
    else:
        done.set_result(result)


def _future() -> "asyncio.Future[Any]":
    """Its caller may be gone when it fails, and asyncio would log an error that nobody took."""
    done = asyncio.get_running_loop().create_future()
    done.add_done_callback(lambda future: future.cancelled() or future.exception())
    return done
