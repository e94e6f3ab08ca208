"""HTTP, loaded with the first connection that speaks it: aiohttp takes 0.3 s and 17 MB."""

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cco_knowledge.rpc.caller import Gate
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.stall import Progress

if TYPE_CHECKING:
    from cco_knowledge.rpc.http import HttpServer

OnProgress = Callable[[asyncio.BaseTransport | None, Progress], None]


@dataclass(frozen=True, slots=True)
class Health:
    is_alive: Callable[[], bool]
    """The loop aside: whether all that works behind it moves."""
    is_ready: Callable[[], bool]
    is_full: Callable[[], bool]
    """Whether stores are refused, for want of room."""


@dataclass(slots=True)
class LateHttp:
    """What an `HttpServer` is made of, until there is one."""

    dispatcher: Dispatcher
    gate: Gate
    health: Health
    on_progress: OnProgress
    metrics: Callable[[], Awaitable[bytes]]
    _loading: "asyncio.Task[HttpServer] | None" = field(default=None, init=False)

    async def server(self) -> "HttpServer":
        """Raises ImportError: what was installed at the start is not there any more."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="load HTTP")
        return await asyncio.shield(self._loading)

    async def _load(self) -> "HttpServer":
        http = await asyncio.to_thread(importlib.import_module, "cco_knowledge.rpc.http")
        server: HttpServer = http.HttpServer(
            self.dispatcher,
            self.gate,
            health=self.health,
            on_progress=self.on_progress,
            metrics=self.metrics,
        )
        return server

    async def shutdown(self, timeout_s: float) -> None:
        if self._loading is None:
            return
        with contextlib.suppress(ImportError):
            server = await self._loading
            server.pre_shutdown()
            await server.shutdown(timeout=timeout_s)
