"""Over a real TLS server on the loopback address; nothing leaves this machine."""

import dataclasses
import hashlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from cco_knowledge.errors import Unavailable
from cco_knowledge.models import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    KnownModel,
    UrlSource,
    download,
    pull_model,
)

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Hub(ThreadingHTTPServer):
    """Serves CONTENT and everything that can go wrong with it."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}"
        self.stopping = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of these tests."""


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        match self.path:
            case "/good":
                self.answer(CONTENT, len(CONTENT))
            case "/wrong":
                self.answer(CONTENT[::-1], len(CONTENT))
            case "/short":
                self.answer(CONTENT[:100_000], len(CONTENT))
            case "/short-without-length":
                self.answer(CONTENT[:100_000], None)
            case "/long":
                self.answer(CONTENT * 100, None)
            case "/silent":
                self.answer(CONTENT[:100_000], len(CONTENT))
                self.server.stopping.wait()
            case "/moved":
                self.redirect(f"{self.server.url}/good")
            case "/moved-to-http":
                self.redirect(f"http://127.0.0.1:{self.server.server_port}/good")
            case _:
                self.send_error(404)

    def answer(self, content: bytes, length: int | None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def redirect(self, url: str) -> None:
        self.send_response(302)
        self.send_header("Location", url)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Silence."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def hub(authority: trustme.CA) -> Iterator[Hub]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with Hub(tls) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine comes between."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: None
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


def tiny(url: str) -> KnownModel:
    return dataclasses.replace(
        KNOWN_MODELS[DEFAULT_MODEL],
        name="tiny",
        source=UrlSource(url),
        source_sha256=SHA256,
        source_bytes=len(CONTENT),
        sha256=SHA256,
        bytes=len(CONTENT),
        checkpoint=None,
    )


def pull(url: str, models_dir: Path) -> tuple[Path, list[int]]:
    progress: list[int] = []
    return pull_model(tiny(url), models_dir, lambda done, _: progress.append(done)), progress


def refuse(url: str, models_dir: Path, message: str) -> None:
    with pytest.raises(Unavailable, match=message) as caught:
        pull(url, models_dir)
    assert "Nothing was kept" in caught.value.message
    assert f"download {url} on a connected machine" in caught.value.message
    assert "kmctl model pull tiny --from FILE" in caught.value.message
    assert list(models_dir.iterdir()) == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("path", ["/good", "/moved"])
def test_a_download(hub: Hub, tmp_path: Path, path: str) -> None:
    models_dir = tmp_path / "models"
    pulled, progress = pull(hub.url + path, models_dir)
    assert pulled.read_bytes() == CONTENT
    assert list(models_dir.iterdir()) == [pulled]
    assert progress == sorted(progress)
    assert progress[-1] == len(CONTENT)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/short", "ended after 100000 of 262144 bytes"),
        ("/short-without-length", "ended after 100000 of 262144 bytes"),
        ("/wrong", "another file than expected"),
        ("/long", "another file than expected"),
        ("/absent", "the server answered 404"),
        ("/moved-to-http", "302 .a redirect to what is not https"),
    ],
)
def test_a_download_that_fails(hub: Hub, tmp_path: Path, path: str, message: str) -> None:
    refuse(hub.url + path, tmp_path / "models", message)


@pytest.mark.usefixtures("trusted")
def test_a_server_that_falls_silent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_SILENCE_TIMEOUT_S", 0.2)
    refuse(f"{hub.url}/silent", tmp_path / "models", "timed out")


@pytest.mark.usefixtures("direct")
def test_a_server_that_nobody_vouches_for(hub: Hub, tmp_path: Path) -> None:
    refuse(f"{hub.url}/good", tmp_path / "models", "certificate verify failed")


@pytest.mark.usefixtures("direct")
def test_a_connection_that_is_refused(tmp_path: Path) -> None:
    refuse("https://127.0.0.1:9/good", tmp_path / "models", "could not be downloaded")


@pytest.mark.usefixtures("trusted")
def test_the_proxy_of_the_environment_is_used(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    refuse(f"{hub.url}/good", tmp_path / "models", "Connection refused")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "file:///etc/hostname", "ftp://x/y", "x"])
def test_only_https(tmp_path: Path, url: str) -> None:
    refuse(url, tmp_path / "models", "is not https")
