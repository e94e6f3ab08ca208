"""Readings of a daemon, one after the other."""

import time
from datetime import UTC, datetime

from kmctl.installed_service import manager_of, refuse_to_wake
from kmctl.options import Invocation
from kmctl.reach import ask, socket_path
from kmctl.scrape import Scraping, samples_of
from kmctl.top.reading import Scraped, Seen, reading_of

_LIMIT_S = 10.0
"""More than a daemon waits for a table that does not answer."""


class Source:
    """Keeps one connection: while it lasts the daemon is the same, so its counts compare.

    Making one anew never starts a service that sleeps.
    """

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._timeout_s = invocation.timeout_s or _LIMIT_S
        self._scraping: Scraping | None = None
        self._pid = 0
        self._before: Scraped | None = None

    def look(self) -> Seen:
        """The first one after each connection knows nothing of what happened.

        Raises:
            Unreachable, ConnectionLost, DeadlineExceeded: the next look connects anew.
        """
        try:
            scraping = self._scraping or self._connect()
            now = Scraped(samples_of(scraping.text()))
        except BaseException:
            self.close()
            raise
        seen = Seen(datetime.now(UTC), self._pid, reading_of(now, self._before))
        self._before = now
        return seen

    def look_over(self, interval_s: float) -> Seen:
        """One that knows what happened in the seconds before."""
        if self._before is None:
            self.look()
        time.sleep(interval_s)
        return self.look()

    def close(self) -> None:
        if self._scraping is not None:
            self._scraping.close()
        self._scraping = self._before = None

    def _connect(self) -> Scraping:
        if (manager := manager_of(self._invocation)) is not None:
            refuse_to_wake(manager)
        status = ask(self._invocation, "system.status", limit_s=self._timeout_s)
        self._pid = status["pid"]
        self._scraping = Scraping(socket_path(self._invocation), self._timeout_s)
        return self._scraping
