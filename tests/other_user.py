"""Being somebody else for a while, where the tests run as root."""

import contextlib
import os
from collections.abc import Iterator

import pytest

from process import Daemon

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextlib.contextmanager
def another_user(daemon: Daemon) -> Iterator[None]:
    """Be nobody for a while, with every file permission out of the way."""
    daemon.home.chmod(0o711)
    daemon.socket_path.chmod(0o666)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        daemon.home.chmod(0o700)
