"""The service manager's watchdog, fed as long as every part of the daemon moves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cco_knowledge.service_manager import ServiceManager

_EXTEND_EVERY_S = 10.0
_EXTEND_BY_S = 60.0
_LONGEST_START_S = 1800.0
"""An upgrade of a large table takes minutes; a start that hangs must come to an end."""

_log = logging.getLogger(__name__)


async def extend_start(service_manager: ServiceManager) -> None:
    """Until cancelled, or for half an hour: the manager waits while the event loop moves."""
    for _ in range(int(_LONGEST_START_S / _EXTEND_EVERY_S)):
        service_manager.notify(extend_by_s=_EXTEND_BY_S)
        await asyncio.sleep(_EXTEND_EVERY_S)


@dataclass(slots=True)
class Part:
    """Something that could hang while the event loop goes on."""

    name: str
    prove: Callable[[], Awaitable[None]]
    """Returns once the part has done a small piece of work of its own."""
    limit_s: float
    """So long it may take."""
    unproven_since_s: float | None = None
    """When it was asked; None: it has answered. By the event loop's clock."""


async def feed(service_manager: ServiceManager, *parts: Part) -> None:
    """Runs until cancelled, or returns at once where nobody watches.

    That the loop moves is shown by this very task: it sends nothing when it does not run.
    """
    if service_manager.watchdog_s is None:
        return
    half_s = service_manager.watchdog_s / 2
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(_keep_proving(part, half_s))
        while True:
            stuck = [part.name for part in parts if _is_stuck(part)]
            if stuck:
                _log.error("the watchdog is not fed: no progress of the %s", " and ".join(stuck))
            else:
                service_manager.notify("WATCHDOG=1")
            await asyncio.sleep(half_s)


async def _keep_proving(part: Part, pause_s: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        if part.unproven_since_s is None:
            part.unproven_since_s = loop.time()
        try:
            await part.prove()
        except Exception as error:  # noqa: BLE001  # whatever it is, the part does not work
            _log.warning("the %s does not work: %s", part.name, type(error).__name__)
        else:
            part.unproven_since_s = None
        await asyncio.sleep(pause_s)


def _is_stuck(part: Part) -> bool:
    since_s = part.unproven_since_s
    return since_s is not None and asyncio.get_running_loop().time() - since_s > part.limit_s
