"""`kmctl`, also as `python -m kmctl`."""

import sys

from kmctl.boundary import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
