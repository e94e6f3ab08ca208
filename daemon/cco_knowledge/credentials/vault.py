"""Values that are stored encrypted, and the key that opens them.

A sealed value: 1 byte of format, 8 of the key's id, 16 of a keyed digest, by which equal values
are told without opening them, 24 of nonce, then the value under XChaCha20-Poly1305. All before the
nonce and the entry's id are authenticated with it: what one entry holds opens in no other.

The key is a file of the home and in no backup: who has both has the value.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

from cco_knowledge.errors import Conflict

KEY_BYTES = 32
_FORMAT = b"\x01"
_ID_BYTES = 8
_DIGEST_BYTES = 16
_HEAD_BYTES = len(_FORMAT) + _ID_BYTES + _DIGEST_BYTES
_NONCE_BYTES = 24
_TAG_BYTES = 16

_ELSEWHERE = "The values that are stored were sealed with another key."
_BRING_BACK = (
    "Bring `credential.key` of the home back from where you keep its copy; what it sealed cannot "
    "be read without it. If it is lost, delete those entries and restart the daemon."
)

KeyIds = Callable[[], Collection[bytes]]
"""Of all keys that stored values were sealed with."""
KeyState = Literal["ready", "unused", "missing", "damaged", "other"]
"""`unused`: nothing is sealed, and there is none. `other`: it is not what sealed the values."""


class KeyUnusable(Conflict):
    """The message says what is wrong with the file and what to do."""


def is_sealed(data: bytes) -> bool:
    """Whether it has the form of a sealed value; that it opens is another matter."""
    return data[:1] == _FORMAT and len(data) > _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES


def key_id_of(sealed: bytes) -> bytes:
    return sealed[1 : 1 + _ID_BYTES]


def value_digest(sealed: bytes) -> bytes:
    """Equal for equal values under one key; without the key it tells nothing else of them."""
    return sealed[1 + _ID_BYTES : _HEAD_BYTES]


def read_key(path: Path) -> bytes | None:
    """None where there is none.

    Raises:
        KeyUnusable: it is damaged, or not private.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(
            f"`credential.key` of the home cannot be opened ({error.strerror}). {_BRING_BACK}"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            raise KeyUnusable(f"`credential.key` of the home is not a file of yours. {_BRING_BACK}")
        if stat.S_IMODE(facts.st_mode) & 0o077:
            raise KeyUnusable(
                "`credential.key` of the home is open to others. Run `chmod 600` on it, and "
                "change what is sealed if somebody may have read it."
            )
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise KeyUnusable(
            f"`credential.key` of the home is damaged: it has not {KEY_BYTES} bytes. {_BRING_BACK}"
        )
    return key


def key_id(key: bytes) -> bytes:
    return _derived(key, b"cco-key-id", _ID_BYTES)


class Vault:
    """Seals with one key, made when the first value comes. Keeps nothing of it in memory."""

    def __init__(self, path: Path, stored_key_ids: KeyIds) -> None:
        self._path = path
        self._stored_key_ids = stored_key_ids

    async def seal(self, entry_id: str, value: str) -> bytes:
        """The key is on the disk when this returns.

        Raises:
            KeyUnusable: the key is missing, damaged, or not that of what is stored.
        """
        key = await asyncio.to_thread(read_key, self._path)
        stored = self._stored_key_ids()
        if stored and key is None:
            raise KeyUnusable(f"`credential.key` of the home is missing. {_BRING_BACK}")
        if key is not None and stored and key_id(key) not in stored:
            raise KeyUnusable(f"{_ELSEWHERE} {_BRING_BACK}")
        return await asyncio.to_thread(_seal, self._path, key, entry_id, value)

    async def open(self, entry_id: str, sealed: bytes) -> str:
        """Raises KeyUnusable: the key is missing, damaged, or another one."""
        return await asyncio.to_thread(_open, self._path, entry_id, sealed)

    async def state(self) -> KeyState:
        stored = self._stored_key_ids()
        try:
            key = await asyncio.to_thread(read_key, self._path)
        except KeyUnusable:
            return "damaged"
        if key is None:
            return "missing" if stored else "unused"
        return "other" if stored and key_id(key) not in stored else "ready"


def _seal(path: Path, key: bytes | None, entry_id: str, value: str) -> bytes:
    from nacl import bindings  # 30 ms and 3.4 MB that most daemons never need

    key = key or _made(path)
    encoded = value.encode()
    digest = _derived(key, b"cco-value", _DIGEST_BYTES, encoded)
    head = _FORMAT + key_id(key) + digest
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return (
        head
        + nonce
        + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            encoded, head + entry_id.encode(), nonce, _derived(key, b"cco-seal", KEY_BYTES)
        )
    )


def _open(path: Path, entry_id: str, sealed: bytes) -> str:
    from nacl import bindings, exceptions

    key = read_key(path)
    if key is None:
        raise KeyUnusable(f"`credential.key` of the home is missing. {_BRING_BACK}")
    if key_id(key) != key_id_of(sealed):
        raise KeyUnusable(f"This value was sealed with another key. {_BRING_BACK}")
    head, rest = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
    try:
        value: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            rest[_NONCE_BYTES:],
            head + entry_id.encode(),
            rest[:_NONCE_BYTES],
            _derived(key, b"cco-seal", KEY_BYTES),
        )
    except exceptions.CryptoError as error:
        raise KeyUnusable(
            "The sealed value of this entry was changed since it was stored, or belongs to "
            "another entry. Bring a backup back, or store the value again."
        ) from error
    return value.decode()


def _derived(key: bytes, use: bytes, n_bytes: int, data: bytes = b"") -> bytes:
    """Keyed BLAKE2b; one key serves several uses, which tell each other nothing."""
    return hashlib.blake2b(data, digest_size=n_bytes, key=key, person=use).digest()


def _made(path: Path) -> bytes:
    """A new key, unless another call was quicker. It has its name only once it is whole."""
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    key = read_key(path)
    assert key is not None  # noqa: S101  # made, or found
    return key
