"""Who calls, and what they may: asked before every call."""

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cco_knowledge.errors import RateLimited, Unauthorized
from cco_knowledge.rpc.peer import Peer
from cco_knowledge.tokens import Buckets, Role, Token, TokenFile, allows
from cco_knowledge.turns import Origin

AUTHENTICATE = "system.authenticate"
UNPROVEN_MAX_BYTES = 4096
"""Of a message from whom a token is still expected: enough to present one."""
_FAILURES_AT_ONCE = 5
_FAILURES_PER_S = 0.1
"""So many wrong tokens may one process present, before it has to wait for each further try."""

Notify = Callable[[bytes], bool]
"""Sends a notification to who called. False: nobody is there any more."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Gate:
    """What all callers share: the tokens, the rules, and how much each has called."""

    tokens: TokenFile
    require_token: bool
    """May be changed, as the next one, while calls come."""
    calls_per_s: float
    _calls: Buckets = field(default_factory=Buckets)
    _failures: Buckets = field(default_factory=Buckets)

    def may_open(self, peer: Peer) -> bool:
        """Others than the own user are heard only where a token could let them in."""
        return self.is_own(peer) or not self.tokens.is_empty

    def needs_token(self, peer: Peer) -> bool:
        return self.require_token or not self.is_own(peer)

    def is_own(self, peer: Peer) -> bool:
        return peer.uid == os.geteuid()

    def token_for(self, presented: str, peer: Peer) -> Token:
        """Raises Unauthorized and RateLimited."""
        self._check_failures(peer)
        token = self.tokens.presented(presented)
        if token is None or token.is_expired:
            self._failures.take(peer, _FAILURES_PER_S, _FAILURES_AT_ONCE)
            why = "expired" if token else "unknown or revoked"
            if not self.tokens.is_usable:
                why = "not to be checked, the file of tokens cannot be used"
            _log.warning("the process %s of uid %s presented a token: %s", peer.pid, peer.uid, why)
            raise Unauthorized("This token lets nobody in: it is wrong, expired or revoked.")
        return token

    def count(self, peer: Peer, token: Token | None) -> None:
        """One call more. Raises RateLimited where it is one too many."""
        limits: list[tuple[object, float]] = [(peer, self.calls_per_s)]
        if token is not None:
            limits.append((token.id, token.calls_per_s))
        limited = [(key, per_s, max(1.0, per_s)) for key, per_s in limits if per_s > 0]
        wait_s = max((self._calls.wait_s(*limit) for limit in limited), default=0.0)
        if wait_s > 0:
            raise RateLimited(
                "More calls than the limit allows. Wait, then go on more slowly.",
                retry_after_ms=math.ceil(wait_s * 1000),
            )
        for limit in limited:
            self._calls.take(*limit)

    def _check_failures(self, peer: Peer) -> None:
        wait_s = self._failures.wait_s(peer, _FAILURES_PER_S, _FAILURES_AT_ONCE)
        if wait_s > 0:
            raise RateLimited(
                "Too many wrong tokens came from this process. Wait.",
                retry_after_ms=math.ceil(wait_s * 1000),
            )


@dataclass(slots=True)
class Caller:
    """Of one NDJSON connection, or of one HTTP request."""

    gate: Gate
    peer: Peer
    origin: Origin
    notify: Notify | None = None
    """None where the framing has no way back but the answer."""
    token: Token | None = None
    is_refused: bool = False
    """From now on: what it presented is worth nothing, or it presented nothing in time."""

    def authenticate(self, presented: str) -> Token:
        """In place of the token that was presented before.

        Raises:
            Unauthorized, RateLimited: it lets nobody in, and this caller is refused from now on.
        """
        try:
            self.token = self.gate.token_for(presented, self.peer)
        except (Unauthorized, RateLimited):
            self.is_refused = True
            raise
        return self.token

    def check_proven(self) -> None:
        """Raises Unauthorized where a token is needed and none was presented."""
        if self._lacks_token():
            raise self._refused()

    def check_size(self, n_bytes: int) -> None:
        """Raises Unauthorized for much from whom nothing shows who it is."""
        if n_bytes > UNPROVEN_MAX_BYTES and self._lacks_token():
            raise self._refused()

    def admit(self, method: str) -> None:
        """Raises Unauthorized and RateLimited, before anything else is done for the call."""
        if self.is_refused:
            raise self._refused()
        if self.token is not None:
            current = self.gate.tokens.current(self.token.id)
            if current is None or current.digest != self.token.digest or current.is_expired:
                raise self._refused("This token has expired or was revoked.")
            self.token = current
        elif self._lacks_token() and method != AUTHENTICATE:
            raise self._refused()
        self.gate.count(self.peer, self.token)

    def check_role(self, needed: Role) -> None:
        """Raises Unauthorized; a call of another method may succeed."""
        if not allows(self.role, needed):
            raise Unauthorized(f"This needs the role {needed}; the token has {self.role}.")

    @property
    def role(self) -> Role:
        return "admin" if self.token is None else self.token.role

    @property
    def projects(self) -> tuple[str, ...] | None:
        """None: all."""
        return None if self.token is None else self.token.projects

    @property
    def token_id(self) -> str | None:
        return None if self.token is None else self.token.id

    @property
    def token_name(self) -> str | None:
        return None if self.token is None else self.token.name

    def _lacks_token(self) -> bool:
        return self.token is None and self.gate.needs_token(self.peer)

    def _refused(self, why: str = "A token is needed: present it first.") -> Unauthorized:
        self.is_refused = True
        return Unauthorized(why)
