"""The bytes at an https address. Nothing else in this process opens a connection.

Proxies (`HTTPS_PROXY`, `NO_PROXY`) and certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR`) come from
the environment, as urllib and OpenSSL read them.
"""

import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError

_SILENCE_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16


class DownloadFailed(Exception):
    """The message says what happened, without the address."""


def download_chunks(url: str) -> Iterator[bytes]:
    """What `url` gives, as it arrives. It may end early: the caller knows the size.

    Raises:
        DownloadFailed: offline, refused, silent for 30 s, or not over https all the way.
    """
    if not url.startswith("https://"):
        raise DownloadFailed("its address is not https")
    try:
        opener = urllib.request.build_opener(_HttpsRedirects)
        with opener.open(url, timeout=_SILENCE_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk
    except HTTPError as error:
        error.close()
        raise DownloadFailed(f"the server answered {error.code} ({error.reason})") from error
    except URLError as error:
        raise DownloadFailed(str(error.reason)) from error
    except (OSError, HTTPException) as error:
        raise DownloadFailed(str(error)) from error


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise HTTPError(newurl, code, "a redirect to what is not https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
