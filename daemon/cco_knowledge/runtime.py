"""The composition root: build the parts, serve, drain, close."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cco_knowledge import (
    __version__,
    faults,
    listen,
    logs,
    open_files,
    process_memory,
    watchdog,
)
from cco_knowledge.backups import shelf, swap
from cco_knowledge.config import Config, LoadedConfig, changed_keys, with_values_of
from cco_knowledge.doorway import Doorway
from cco_knowledge.errors import Conflict, DeadlineExceeded, StartRefused, Unavailable
from cco_knowledge.jobs import Jobs
from cco_knowledge.metrics import Durations, measure_loop_lag
from cco_knowledge.parts import Parts, policy_of
from cco_knowledge.paths import Home
from cco_knowledge.rpc import answers, results, snapshot, upkeep
from cco_knowledge.rpc.caller import Gate
from cco_knowledge.rpc.connection import Peers
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.late_http import Health, LateHttp
from cco_knowledge.rpc.methods import Deadline
from cco_knowledge.rpc.stall import Progress
from cco_knowledge.rpc.system import failure_of
from cco_knowledge.service import KnowledgeService
from cco_knowledge.service_manager import ServiceManager
from cco_knowledge.tokens import TokenFile

_LOOKS_EACH_S = 1.0
"""At what lies in the place of the socket; a look takes 2 µs."""
_LAST_ANSWERS_S = 5.0
"""For answers that are ready but not yet read."""
_CLOSE_S = 15.0
"""To close the parts, after the calls have been drained."""
_LONGEST_CHANGE_S = 300.0
"""To the table; the writer does nothing else meanwhile."""
_LONGEST_WAIT_S = 60.0
"""Of one word for the model, which goes ahead of all documents."""
_RELOADED = frozenset(
    {
        "knowledge.extra_types",
        "limits.deadline_s",
        "limits.bulk_deadline_s",
        "limits.drain_s",
        "limits.calls_per_s",
        "auth.require_token",
        "log.level",
        "backup.every_hours",
        "backup.keep",
        "secrets.policy",
        "secrets.reject_types",
        "secrets.redact_types",
        "secrets.allow_types",
    }
)
"""Settings that need no restart."""

_log = logging.getLogger(__name__)


Load = Callable[[], LoadedConfig]
"""Reads the configuration, each time anew. Raises StartRefused."""


def run(
    loaded: LoadedConfig,
    load: Load,
    service_manager: ServiceManager,
    *,
    listening_fd: int | None,
    on_ready: Callable[[], None],
) -> None:
    """Serve until a signal or a call asks to stop.

    `load` reads the configuration again, for a reload. `listening_fd`: the socket of this daemon,
    made by who starts it; None: it makes one.

    Raises:
        StartRefused: before anything was changed.
    """
    if faults.are_possible():
        _log.warning("%s is set: things go wrong on purpose, for tests", faults.VARIABLE)
    with listen.locked(loaded.home.lock) as ended_cleanly:
        swap.settle(loaded.home.data)
        shelf.sweep(loaded.home.backups)
        daemon = _Daemon(loaded, load, service_manager, listening_fd, on_ready)
        asyncio.run(daemon.run(in_doubt=not ended_cleanly))


class _Daemon:
    def __init__(
        self,
        loaded: LoadedConfig,
        load: Load,
        service_manager: ServiceManager,
        listening_fd: int | None,
        on_ready: Callable[[], None],
    ) -> None:
        self._home: Home = loaded.home
        self._config: Config = loaded.config
        self._load = load
        self._socket_path: Path = loaded.socket_path
        self._service_manager = service_manager
        self._listening_fd = listening_fd
        self._on_ready = on_ready
        self._watchdog: asyncio.Task[None] | None = None
        self._begun = time.monotonic()
        self.jobs = Jobs(loaded.home.jobs, failure_of)
        self._parts: Parts | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_asked_to_stop = False
        self._leftovers = process_memory.Leftovers()
        self._loop_lag = Durations()
        self._backing_up: asyncio.Task[None] | None = None

    async def run(self, *, in_doubt: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(listen.tell_less_of_accepting())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._ready: asyncio.Future[KnowledgeService] = loop.create_future()
        self._dispatcher = Dispatcher(self, _deadlines_s(self._config), self._ready)
        self._gate = Gate(
            TokenFile(self._home.tokens, _log.error),
            self._config.auth.require_token,
            self._config.limits.calls_per_s,
        )
        http = LateHttp(
            self._dispatcher,
            self._gate,
            Health(
                is_alive=lambda: self._parts is None or self._parts.are_alive,
                is_ready=lambda: self._parts is not None,
                is_full=lambda: self._parts is not None and self._parts.store.is_full,
            ),
            self._on_progress,
            self._metrics,
        )
        n_connections = open_files.for_connections(open_files.raise_limit())
        self._peers = Peers(
            self._dispatcher,
            http,
            self._gate,
            min(n_connections, self._config.socket.max_connections),
        )
        listening, is_managers = self._listening_socket()
        self._doorway = await Doorway.open(
            self._socket_path,
            self._home.path,
            self._peers.connection,
            listening,
            is_managers=is_managers,
        )
        measuring = asyncio.create_task(measure_loop_lag(self._loop_lag), name="loop lag")
        try:
            await self._serve(in_doubt=in_doubt)
        finally:
            measuring.cancel()
            if not self._ready.done():
                self._ready.set_exception(
                    Unavailable("The daemon could not start; its log says why.")
                )
                self._ready.exception()  # nobody may be waiting for it
            self._tell_stopping()
            await self._doorway.close()
            await self._drain()
            await self._peers.close(_LAST_ANSWERS_S)
            await http.shutdown(_LAST_ANSWERS_S)
            await self._close()

    def _listening_socket(self) -> tuple[socket.socket, bool]:
        """And whether it is the service manager's, which goes on listening without us."""
        given = self._service_manager.listening_socket()
        if given is not None:
            self._socket_path = Path(given.getsockname())
            return given, True
        if self._listening_fd is not None:
            return listen.inherited(self._listening_fd), False
        return listen.bind(self._socket_path), False

    async def _serve(self, *, in_doubt: bool) -> None:
        """Load, then wait to be stopped. A stop while loading ends the loading first."""
        extending = asyncio.create_task(watchdog.extend_start(self._service_manager))
        try:
            self._parts = await Parts.load(
                self._config, self._home, self._tell_status, in_doubt=in_doubt
            )
        finally:
            extending.cancel()
        self._ready.set_result(self._parts.service)
        # The modules and tables that stay for good need not be looked through again.
        gc.collect()
        gc.freeze()
        process_memory.trim()
        process_memory.release_files()
        self._on_ready()
        self._tell_ready(self._parts)
        self._preparing = asyncio.create_task(self._parts.searcher.prepare(), name="prepare")
        self._backing_up = asyncio.create_task(
            self._parts.backups.follow_schedule(lambda: self._dispatcher.n_calls),
            name="backups",
        )
        _log.info("ready")
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), _LOOKS_EACH_S)
            except TimeoutError:
                await self._upkeep()

    def _tell_status(self, status: str) -> None:
        self._service_manager.notify(f"STATUS={status}")

    def _tell_ready(self, parts: Parts) -> None:
        self._service_manager.notify(
            "READY=1", f"STATUS=ready, with the model {parts.engine.identity.name}"
        )
        self._watchdog = asyncio.create_task(
            watchdog.feed(
                self._service_manager,
                watchdog.Part("writer", parts.store.prove, _LONGEST_CHANGE_S),
                watchdog.Part("embedder", parts.engine.prove, _LONGEST_WAIT_S),
            ),
            name="watchdog",
        )

    def _tell_stopping(self) -> None:
        limit_s = self._config.limits.drain_s + 2 * _LAST_ANSWERS_S + _CLOSE_S
        status = "STATUS=stopping: answering what was accepted"
        self._service_manager.notify("STOPPING=1", status, extend_by_s=limit_s)

    async def _drain(self) -> None:
        """Let the accepted calls finish; a second signal or the limit cuts them short."""
        self._dispatcher.draining = True
        await self.jobs.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._config.limits.drain_s
        while self._dispatcher.in_flight and not self._hurry.is_set() and loop.time() < until:
            hurry = asyncio.create_task(self._hurry.wait())
            await asyncio.wait(
                {hurry, *self._dispatcher.in_flight},
                timeout=until - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            hurry.cancel()
        self._dispatcher.cut()
        if self._dispatcher.in_flight:
            await asyncio.wait(self._dispatcher.in_flight, timeout=_LAST_ANSWERS_S)
        for call in set(self._dispatcher.in_flight):
            call.cancel()

    async def _close(self) -> None:
        running = {task for task in (self._watchdog, self._backing_up) if task is not None}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if self._parts is not None:
            await self._parts.close()
        _log.info("stopped")

    async def _upkeep(self) -> None:
        if not await self._doorway.look_after():
            _log.error("stopping: nobody can reach us any more")
            self._stop.set()
        self._peers.look()
        if self._parts is not None:
            store, dispatcher = self._parts.store, self._dispatcher
            self._leftovers.look(
                dispatcher.n_calls + store.work.compactions,
                are_running=bool(dispatcher.in_flight) or store.is_in_upkeep,
            )

    def _on_progress(self, transport: asyncio.BaseTransport | None, progress: Progress) -> None:
        connection = self._peers.connections.get(transport) if transport else None
        if connection is not None:
            connection.http_progress(progress)

    async def _metrics(self) -> bytes:
        observed = snapshot.Observed(
            self._dispatcher, self.jobs, self._loop_lag, self._home.path, self._begun
        )
        parts = self._parts
        seen = await snapshot.take(
            observed,
            len(self._peers.connections),
            parts.engine if parts else None,
            parts.store if parts else None,
            parts.backups if parts else None,
            parts.service.drafting.redactor.replaced if parts else {},
        )
        return await asyncio.to_thread(_exposed, seen)

    async def status(self) -> results.Status:
        parts = self._parts
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._begun, 3),
            "ready": parts is not None,
            "model": msgspec.to_builtins(parts.engine.identity) if parts else None,
            "socket": str(self._socket_path),
            "home": str(self._home.path),
            "connections": len(self._peers.connections),
            "queue": parts.engine.facts().queued if parts else 0,
            "embedding": msgspec.to_builtins(parts.engine.facts()) if parts else None,
            "maintenance": upkeep.maintenance_of(parts.store.work) if parts else None,
            "rss_bytes": process_memory.resident_bytes(),
            "backups": answers.backups_of(await parts.backups.facts()) if parts else None,
            "credential_key": await parts.vault.state() if parts else None,
        }

    async def parts(self) -> Parts:
        limit_s = self._config.limits.deadline_s
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            raise DeadlineExceeded(f"The daemon was not ready within {limit_s:g} s.") from error
        assert self._parts is not None  # noqa: S101  # loaded before the service is ready
        return self._parts

    def stop(self) -> None:
        """Asked again, it waits for nothing."""
        if self._is_asked_to_stop:
            self._hurry.set()
        self._is_asked_to_stop = True
        self._stop.set()

    async def reload(self) -> results.Reloaded:
        try:
            loaded = await asyncio.to_thread(self._load)
        except StartRefused as error:
            _log.error("the configuration is not valid: %s", error.message)
            raise Conflict(
                "The configuration is not valid, so nothing was changed. What is wrong: "
                "kmctl config check"
            ) from error
        changed = changed_keys(self._config, loaded.config)
        applied = [key for key in changed if key in _RELOADED]
        self._apply(with_values_of(self._config, loaded.config, applied))
        waiting = [key for key in changed if key not in _RELOADED]
        _log.info("reloaded; applied: %s; need a restart: %s", _listed(applied), _listed(waiting))
        return {"applied": applied, "restart_needed": waiting}

    def _apply(self, config: Config) -> None:
        self._config = config
        self._dispatcher.deadlines_s = _deadlines_s(config)
        self._gate.require_token = config.auth.require_token
        self._gate.calls_per_s = config.limits.calls_per_s
        logs.set_level(config.log.level)
        if self._parts is not None:
            self._parts.service.extra_types = config.knowledge.extra_types
            self._parts.service.drafting.redactor.policy = policy_of(config.secrets)
            self._parts.backups.config = config.backup

    def _on_hangup(self) -> None:
        self._reloading = asyncio.create_task(self._reload_or_say_why(), name="reload")

    async def _reload_or_say_why(self) -> None:
        with contextlib.suppress(Conflict):  # the log has it
            await self.reload()


def _deadlines_s(config: Config) -> dict[Deadline, float]:
    limits = config.limits
    return {Deadline.NORMAL: limits.deadline_s, Deadline.BULK: limits.bulk_deadline_s}


def _listed(keys: list[str]) -> str:
    return ", ".join(keys) or "none"


def _exposed(seen: snapshot.Snapshot) -> bytes:
    from cco_knowledge.rpc.exposition import exposition  # few are ever scraped

    return exposition(seen)
