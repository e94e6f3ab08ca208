"""`kmctl`, also as `python -m kmctl`."""

import signal
import sys

from kmctl.boundary import run


def main() -> None:
    # Unwound as by Ctrl-C, so that a pull ends its pip and leaves nothing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
