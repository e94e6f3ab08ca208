"""What a disk can be left with when the power fails: a state of a folder, drawn by chance.

What was there at the last sync is there. Of what came since, each file may be missing, empty, cut
off, full of zeros from some block on, or whole, and each removal may have happened or not.
"""

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

from reliability.pictured import PICTURES, take_picture

_BLOCK_BYTES = 4096
_FATES = ("missing", "empty", "cut off", "zeros", "whole")
_DISKS = ((1, 1, 1, 1, 1), (1, 1, 1, 1, 16), (4, 1, 1, 1, 1), (0, 0, 0, 1, 4))
"""How often each fate is met. With all alike, hardly ever would a commit be whole."""


def lose(home: Path, source: random.Random) -> Counter[str]:
    """In place; what became of the files."""
    folder = home / "knowledge"
    picture, sizes = _last_picture(home)
    pictured = {(picture / name).stat().st_ino: sizes[name] for name in sizes}
    weights = source.choice(_DISKS)
    contents: dict[int, bytes | None] = {}
    fates: Counter[str] = Counter()
    for path in sorted(_files(folder)):
        inode, size_bytes = path.stat().st_ino, path.stat().st_size
        if inode not in contents:
            is_forced = pictured.get(inode) == size_bytes
            fate = "forced" if is_forced else source.choices(_FATES, weights)[0]
            contents[inode] = _spoilt(path.read_bytes(), fate, source)
            fates[fate] += 1
        content, name = contents[inode], path.relative_to(folder).as_posix()
        is_old_name = name in sizes and (picture / name).stat().st_ino == inode
        if is_old_name and pictured[inode] == size_bytes:
            continue
        path.unlink()  # and not written to: a picture may share the file
        if name in sizes and source.choice((True, False)):
            os.link(picture / name, path)
            fates["not replaced"] += 1
        elif content is not None:
            path.write_bytes(content)
    for name in sorted(sizes):
        if not (folder / name).exists() and source.choice((True, False)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(picture / name, folder / name)
            fates["not removed"] += 1
    shutil.rmtree(home / PICTURES, ignore_errors=True)
    take_picture(folder)  # with that the next daemon begins
    return fates


def _last_picture(home: Path) -> tuple[Path, dict[str, int]]:
    """Nothing was forced before the first one."""
    finished = sorted((home / PICTURES).glob("[0-9]*.json"))
    if not finished:
        return home / PICTURES / "none", {}
    return finished[-1].with_suffix(""), json.loads(finished[-1].read_text())


def _spoilt(data: bytes, fate: str, source: random.Random) -> bytes | None:
    kept = source.randrange(len(data) + 1)
    if fate == "zeros":
        kept = kept // _BLOCK_BYTES * _BLOCK_BYTES
        return data[:kept] + bytes(len(data) - kept)
    return {"missing": None, "empty": b"", "cut off": data[:kept]}.get(fate, data)


def _files(folder: Path) -> list[Path]:
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
