"""A page's beginning as opaque text. Pure."""

import base64
import binascii

import msgspec

from cco_knowledge.errors import InvalidInput
from cco_knowledge.store.filters import PageStart


def encode(start: PageStart | None) -> str | None:
    if start is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(start)).decode()


def decode(cursor: str, order_by: str, *, descending: bool) -> PageStart:
    """Raises InvalidInput unless the cursor comes from a listing in this order."""
    try:
        start = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=PageStart)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise InvalidInput(
            "`cursor` must be the `next_cursor` of an earlier page.", field="cursor"
        ) from error
    if (start.order_by, start.descending) != (order_by, descending):
        raise InvalidInput(
            "`cursor` comes from a listing in another order. Ask with the same `order_by` and "
            "`descending`.",
            field="cursor",
        )
    return start
