"""The daemon on a disk that loses what was not forced to it: a picture of the folder at each sync.

A program of its own, with the daemon's arguments. Nothing is really forced: no power fails here.
"""

import contextlib
import itertools
import json
import os
import random
import shutil
import sys
import time
from pathlib import Path

from cco_knowledge.__main__ import main
from cco_knowledge.store.durability import Disk

PICTURES = "pictures"
"""In the home: `<n>/` with links to all files, and `<n>.json` with their sizes once it counts."""
SLOWNESS = "CCO_TEST_SLOWEST_SYNC_S"
_numbers = itertools.count(time.time_ns())
_slowest_s = float(os.environ.get(SLOWNESS, "0"))


def sync(disk: Disk) -> None:
    take_picture(disk.table.parent)


def take_picture(folder: Path) -> None:
    """What is there now is forced to the disk when this returns."""
    pictures = folder.parent / PICTURES
    pictures.mkdir(exist_ok=True)
    name = f"{next(_numbers)}"
    sizes = _picture(folder, pictures / name)
    time.sleep(random.uniform(0, _slowest_s))  # what the disk takes
    unfinished = pictures / f".{name}"
    unfinished.write_text(json.dumps(sizes))
    unfinished.rename(pictures / f"{name}.json")
    for older in pictures.iterdir():
        if older.name.split(".")[0] not in (name, ""):
            older.unlink() if older.is_file() else shutil.rmtree(older)


def _picture(folder: Path, picture: Path) -> dict[str, int]:
    """Of one moment: again where something came or went meanwhile."""
    while True:
        shutil.rmtree(picture, ignore_errors=True)
        picture.mkdir()
        before = _sizes(folder)
        with contextlib.suppress(FileNotFoundError):
            for name in before:
                (picture / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(folder / name, picture / name)
            if _sizes(folder) == before:
                return before


def _sizes(folder: Path) -> dict[str, int]:
    sizes = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes


if __name__ == "__main__":
    setattr(Disk, "sync", sync)  # noqa: B010  # for mypy it is no method of Disk
    sys.exit(main())
