"""The file of all tokens of a home: one JSON value a line, whole at any moment.

It is its user's alone. `kmctl` changes it under a lock on the home, and replaces it by a rename;
the daemon reads it again whenever it is another one.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from cco_knowledge.errors import Conflict, InvalidInput, NotFound, TokensUnusable
from cco_knowledge.timestamps import format_timestamp, utc_now
from cco_knowledge.tokens.token import Role, Token, id_in, new_secret, new_token_id

_MODE = 0o600
_MAX_BYTES = 4 << 20
_OTHERS_BITS = 0o077


class TokenFile:
    """The tokens, as the file has them at each question."""

    def __init__(self, path: Path, on_unusable: Callable[[str], None]) -> None:
        """`on_unusable` hears once of each state in which the file cannot be used, and why."""
        self._path = path
        self._on_unusable = on_unusable
        self._seen: object = None
        self._tokens: dict[str, Token] | None = {}

    @property
    def is_usable(self) -> bool:
        """Whether the file says who gets in. One that is not there says: nobody."""
        self._follow()
        return self._tokens is not None

    @property
    def is_empty(self) -> bool:
        """Nobody can get in by a token."""
        self._follow()
        return not self._tokens

    def current(self, token_id: str) -> Token | None:
        self._follow()
        return (self._tokens or {}).get(token_id)

    def presented(self, secret: str) -> Token | None:
        """The token that this stands for, expired or not."""
        token = self.current(id_in(secret) or "")
        return token if token is not None and token.is_shown_by(secret) else None

    def _follow(self) -> None:
        """2 µs where the file is the same. No tokens are left where it cannot be used."""
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._tokens = {token.id: token for token in listed(self._path)}
        except TokensUnusable as error:
            self._tokens = None
            self._on_unusable(error.message)


def listed(path: Path) -> list[Token]:
    """In the order in which they were made; none where there is no file.

    Raises:
        TokensUnusable: not a file of its user alone, or damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    try:
        _check(path, os.fstat(descriptor))
        lines = os.read(descriptor, _MAX_BYTES).splitlines()
        return [msgspec.json.decode(line, type=Token) for line in lines]
    except (OSError, msgspec.DecodeError) as error:
        raise _unusable(path, "is damaged") from error
    finally:
        os.close(descriptor)


def create(
    path: Path,
    *,
    role: Role,
    name: str | None = None,
    projects: Sequence[str] | None = None,
    expires: str | None = None,
    calls_per_s: float = 0.0,
) -> tuple[Token, str]:
    """And what to present for it, which nothing keeps.

    Raises:
        InvalidInput: a name or a project that cannot be kept.
        Conflict: the name is taken.
        TokensUnusable
    """
    token_id = new_token_id()
    secret, digest = new_secret(token_id)
    token = Token(
        id=token_id,
        name=token_id if name is None else name,
        role=role,
        projects=tuple(dict.fromkeys(projects)) if projects else None,
        created=format_timestamp(utc_now()),
        digest=digest,
        expires=expires,
        calls_per_s=calls_per_s,
    )
    _check_facts(token)
    with _changing(path) as tokens:
        if any(token.name in (other.name, other.id) for other in tokens):
            raise Conflict(f"There is a token named {token.name}.", name=token.name)
        tokens.append(token)
    return token, secret


def rotate(path: Path, id_or_name: str) -> tuple[Token, str]:
    """A new secret in place of the old one, which is void from now on. Raises as `revoke`."""
    with _changing(path) as tokens:
        at = _place(tokens, id_or_name)
        secret, digest = new_secret(tokens[at].id)
        tokens[at] = msgspec.structs.replace(tokens[at], digest=digest)
        return tokens[at], secret


def revoke(path: Path, id_or_name: str) -> Token:
    """Raises NotFound, and TokensUnusable."""
    with _changing(path) as tokens:
        return tokens.pop(_place(tokens, id_or_name))


def _check_facts(token: Token) -> None:
    """As they are checked when the file is read: nothing is written that would damage it."""
    try:
        msgspec.json.decode(msgspec.json.encode(token), type=Token)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            "A name has 1 to 64 letters, digits, dots, dashes or underscores; a project 1 to 256 "
            "characters.",
            field="projects" if "projects" in str(error) else "name",
        ) from error


def _place(tokens: Sequence[Token], id_or_name: str) -> int:
    for at, token in enumerate(tokens):
        if id_or_name in (token.id, token.name):
            return at
    raise NotFound("No token has this id or name.", id=id_or_name)


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """What the list is at the end, the file has; nothing else changes it meanwhile."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        tokens = listed(path)
        yield tokens
        _write(path, tokens)
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, tokens: Sequence[Token]) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.unlink(missing_ok=True)  # of a kmctl that was killed: we have the lock
    descriptor = os.open(
        unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE
    )
    with os.fdopen(descriptor, "wb") as stream:
        stream.writelines(msgspec.json.encode(token) + b"\n" for token in tokens)
        stream.flush()
        os.fsync(descriptor)
    unfinished.replace(path)


def _check(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise _unusable(path, "is no file")
    if facts.st_uid != os.geteuid():
        raise _unusable(path, f"belongs to another user (uid {facts.st_uid})")
    if stat.S_IMODE(facts.st_mode) & _OTHERS_BITS:
        raise TokensUnusable(
            f"The file of tokens {path} has mode {stat.S_IMODE(facts.st_mode):04o}; others could "
            f"have read or written it. If you trust what it holds: chmod 600 {path}"
        )
    if facts.st_size > _MAX_BYTES:
        raise _unusable(path, f"has more than {_MAX_BYTES} bytes")


def _unusable(path: Path, why: str) -> TokensUnusable:
    return TokensUnusable(
        f"The file of tokens {path} {why}. Until it is mended no token lets anybody in. Put a good "
        "one in its place, or remove it and make new tokens with: kmctl token create"
    )


def _state(path: Path) -> object:
    """Differs whenever the file does."""
    try:
        facts = path.lstat()
    except OSError as error:
        return error.errno
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
