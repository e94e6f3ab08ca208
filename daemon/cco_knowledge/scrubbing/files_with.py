"""Secrets in files as bytes: looked for in every form in which they can stand, and blotted out."""

import base64
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cco_knowledge.terms import terms

_STEP_BYTES = 8 << 20
_LEAST_BYTES = 8
_BLOT = b"*"


def forms_of(pieces: Iterable[str]) -> list[bytes]:
    """UTF-8, in JSON, in base64 at any offset, and as the terms of the index."""
    forms: set[bytes] = set()
    for piece in pieces:
        forms |= {piece.encode(), json.dumps(piece)[1:-1].encode(), *_in_base64(piece.encode())}
        forms |= {term.encode() for term in terms(piece) if not term.isalpha()}
    return sorted((form for form in forms if len(form) >= _LEAST_BYTES), key=len, reverse=True)


def files_below(folder: Path) -> Iterator[Path]:
    """Regular ones; links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                is_regular = stat.S_ISREG(path.lstat().st_mode)
            except FileNotFoundError:
                continue
            if is_regular:
                yield path


def count_in(path: Path, forms: Sequence[bytes]) -> int:
    """How many places of a file hold one of the forms; 0 where it has gone."""
    return sum(1 for _ in _places(path, forms))


def blot_out(path: Path, forms: Sequence[bytes]) -> int:
    """In place, byte for byte: who has the file open goes on writing to it."""
    places = list(_places(path, forms))
    if places:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for at, length in places:
                os.pwrite(descriptor, _BLOT * length, at)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(places)


def _places(path: Path, forms: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where, and how many bytes."""
    if not forms:
        return
    overlap = len(forms[0]) - 1
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        begin, kept = 0, b""
        while part := file.read(_STEP_BYTES):
            seen = kept + part
            for form in forms:
                at = seen.find(form)
                while at >= 0:
                    yield begin + at, len(form)
                    at = seen.find(form, at + 1)
            kept = seen[-overlap:] if overlap else b""
            begin += len(seen) - len(kept)


def _in_base64(data: bytes) -> set[bytes]:
    """What every encoding of something that holds the data has in common, by its offset."""
    found = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data)
        whole = (offset + len(data)) // 3 * 4  # behind that, it depends on what follows
        found.add(encoded[-(-offset * 4 // 3) : whole])
    return found
