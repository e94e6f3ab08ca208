"""Tokens: who may do what without being the daemon's own user, or is to do less than that one."""

from cco_knowledge.tokens.buckets import Buckets
from cco_knowledge.tokens.file import TokenFile, create, listed, revoke, rotate
from cco_knowledge.tokens.token import ROLES, Role, Token, allows

__all__ = [
    "ROLES",
    "Buckets",
    "Role",
    "Token",
    "TokenFile",
    "allows",
    "create",
    "listed",
    "revoke",
    "rotate",
]
