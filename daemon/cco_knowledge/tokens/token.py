"""One token, and the secret that stands for it. Pure, but for the random bytes."""

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Literal, get_args

import msgspec

from cco_knowledge.timestamps import format_timestamp, utc_now

Role = Literal["reader", "writer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

_PREFIX = "cco"
_ID_BYTES = 4
_SECRET_BYTES = 32
_SECRET = re.compile(r"cco_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Project = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file keeps of one; from its digest nobody gets back what to present."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]
    name: Name
    role: Role
    projects: Annotated[tuple[Project, ...], msgspec.Meta(min_length=1)] | None
    """None: all."""
    created: str
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of what is presented. A slow hash is for what people choose; this is random."""
    expires: str | None = None
    """RFC 3339 UTC with milliseconds, as `created`."""
    calls_per_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """0: no limit of its own."""

    @property
    def is_expired(self) -> bool:
        return self.expires is not None and self.expires <= format_timestamp(utc_now())

    def is_shown_by(self, presented: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(presented))


def allows(role: Role, needed: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


def new_secret(token_id: str) -> tuple[str, str]:
    """What is shown once, and its digest."""
    secret = f"{_PREFIX}_{token_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return secret, _digest(secret)


def new_token_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def id_in(presented: str) -> str | None:
    """None for what no token looks like."""
    match = _SECRET.fullmatch(presented)
    return match[1] if match else None


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()
