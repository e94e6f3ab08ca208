"""The sockets that launchd made for this process: launch(3). Nothing else calls it."""

import ctypes
import errno
import os

SOCKET = "rpc"
"""Its name in the property list, packaging/launchd."""

_NOT_FROM_LAUNCHD = (errno.ENOENT, errno.ESRCH)
"""It has made no socket of this name; it has not started this process."""


def socket_descriptors() -> list[int]:
    """Of the sockets named `SOCKET`: the caller's own, handed over once. None without launchd.

    Only asking tells whether launchd has started this process: what it leaves in the environment,
    every child of a job inherits, a shell in Terminal too.

    Raises:
        OSError: it cannot hand them over, or has done so before.
    """
    library = ctypes.CDLL(None)
    activate = getattr(library, "launch_activate_socket", None)
    if activate is None:
        return []
    int_pointer = ctypes.POINTER(ctypes.c_int)
    activate.restype = ctypes.c_int
    activate.argtypes = (
        ctypes.c_char_p,
        ctypes.POINTER(int_pointer),
        ctypes.POINTER(ctypes.c_size_t),
    )
    descriptors, n_descriptors = int_pointer(), ctypes.c_size_t()
    failure = activate(SOCKET.encode(), ctypes.byref(descriptors), ctypes.byref(n_descriptors))
    if failure in _NOT_FROM_LAUNCHD:
        return []
    if failure:
        raise OSError(failure, os.strerror(failure))
    try:
        return descriptors[: n_descriptors.value]
    finally:
        library.free(descriptors)
