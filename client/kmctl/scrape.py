"""What the daemon measures, fetched over HTTP, and read from Prometheus's text."""

import http.client
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from cco_knowledge_client import ConnectionLost, DeadlineExceeded, KnowledgeError, Unauthorized
from cco_knowledge_client.connection import unreachable
from cco_knowledge_client.places import token_of

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


def scrape(path: Path, timeout_s: float) -> str:
    """As `Scraping.text`, once."""
    with closing(Scraping(path, timeout_s)) as scraping:
        return scraping.text()


class Scraping:
    """One connection for many scrapes. After any error a new one is needed."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._connection = _HttpOverSocket(path, timeout_s)
        token = token_of(None)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def text(self) -> str:
        """The text of `GET /metrics`.

        Raises:
            Unreachable: no daemon answers.
            DeadlineExceeded: it does not do so in time.
            Unauthorized: not with this token, or not without one.
        """
        try:
            self._connection.request("GET", "/metrics", headers=self._headers)
            response = self._connection.getresponse()
            text = response.read().decode()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"The daemon did not answer within {self._timeout_s:g} s."
            ) from error
        except (ConnectionError, http.client.HTTPException) as error:
            raise ConnectionLost("The connection to the daemon ended before the answer.") from error
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Unauthorized(
                "This token, or none, does not let you see what the daemon measures."
            )
        if response.status != HTTPStatus.OK:
            raise KnowledgeError(
                f"The daemon shows no metrics (HTTP {response.status}). If it is older than this "
                "kmctl, run: kmctl restart"
            )
        return text

    def close(self) -> None:
        self._connection.close()


class _HttpOverSocket(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        try:
            self.sock.connect(str(self._path))
        except TimeoutError:
            raise
        except OSError as error:
            raise unreachable(self._path, error) from error


def samples_of(text: str) -> Iterator[Sample]:
    """Of the text format, version 0.0.4, as the daemon writes it: without times."""
    for line in text.splitlines():
        found = _SAMPLE.fullmatch(line)
        if found is not None:
            labels = _LABEL.findall(found["labels"] or "")
            yield Sample(
                found["name"],
                {name: _ESCAPED.sub(_unescaped, value) for name, value in labels},
                float(found["value"]),
            )


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
