"""Where clients find the daemon: a socket that stays at its path as long as the daemon runs."""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cco_knowledge import listen
from cco_knowledge.errors import StartRefused

_ACCEPTED_AT_ONCE = 2
"""Connections in one turn of the event loop."""
_TURNS_TO_CONNECT = 3
"""Of the event loop: so many it takes from an accepted socket to our connection."""

_log = logging.getLogger(__name__)
Protocol = Callable[[], asyncio.BaseProtocol]


@dataclass(frozen=True, slots=True)
class _Door:
    server: asyncio.Server
    listening: socket.socket
    inode: int | None
    is_managers: bool
    """The service manager's, which goes on listening without us."""


class Doorway:
    """Made by `open`, ended by `close`. Who is connected stays so, whatever happens to the path."""

    def __init__(self, path: Path, home: Path, protocol: Protocol) -> None:
        self._path = path
        self._home = home
        self._home_inode = listen.inode(home)
        self._protocol = protocol
        self._doors: list[_Door] = []
        self._told: str | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        home: Path,
        protocol: Protocol,
        listening: socket.socket,
        *,
        is_managers: bool,
    ) -> Self:
        doorway = cls(path, home, protocol)
        await doorway._add(listening, is_managers=is_managers)
        return doorway

    async def look_after(self) -> bool:
        """Bind the path anew where the socket has gone from it, and nobody else answers there.

        False: somebody does, or the home has gone; then nobody finds this daemon any more.
        """
        if listen.inode(self._path) == self._doors[-1].inode:
            return True
        if listen.inode(self._home) != self._home_inode:
            _log.error("the home was removed or replaced")
            return False
        try:
            found = await asyncio.to_thread(listen.found_at, self._path)
            if found == "live socket":
                _log.error("another process answers at the path of the socket")
                return False
            await self._renew(found)
        except (OSError, StartRefused) as error:
            self._tell_once(f"the socket has gone and cannot be made again: {error}")
            return self._path.parent.exists()
        return True

    async def close(self) -> None:
        """Whoever has got through to us is served; nobody is left in between."""
        for door in self._doors:
            is_found = listen.inode(self._path) == door.inode
            if not door.is_managers:
                if is_found:
                    self._path.unlink(missing_ok=True)
                listen.refuse_further(door.listening)
            # What waits in a socket that the manager keeps is for the daemon that follows.
            await self._shut(door, accept_rest=not (door.is_managers and is_found))

    async def _renew(self, found: listen.Found) -> None:
        if found == "file":
            aside = listen.put_aside(self._path)
            _log.error("something else lay in the place of the socket; it is %s now", aside)
        former = self._doors[-1]
        await self._add(listen.bind(self._path), is_managers=False)
        self._told = None
        if former.is_managers:
            _log.error(
                "the service manager's socket was removed, and one of this daemon's own is in its "
                "place; restart the unit of the socket, then the service"
            )
        else:
            _log.error("the socket was removed or replaced (%s), and made again", found)
            self._doors.remove(former)
            await self._shut(former, accept_rest=True)

    async def _add(self, listening: socket.socket, *, is_managers: bool) -> None:
        # Not create_unix_server, which since Python 3.13 removes the socket of a service manager.
        listening = listen.Listening(fileno=listening.detach())
        server = await asyncio.get_running_loop().create_server(
            self._protocol, sock=listening, backlog=_ACCEPTED_AT_ONCE
        )
        door = _Door(server, listening, listen.inode(self._path), is_managers)
        self._doors.append(door)

    async def _shut(self, door: _Door, *, accept_rest: bool) -> None:
        loop = asyncio.get_running_loop()
        with door.listening.dup() as rest:
            door.server.close()
            for accepted in listen.last_connections(rest) if accept_rest else ():
                accepted.setblocking(False)
                await loop.connect_accepted_socket(self._protocol, accepted)
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)

    def _tell_once(self, what: str) -> None:
        if what != self._told:
            self._told = what
            _log.error(what)
