"""What the types of params and results say of themselves, beyond their shape."""

from typing import Any

import msgspec

REFERENCE = "#/components/schemas/{name}"
"""Where the OpenRPC document keeps a shape that has a name."""


def about(description: str, **schema: Any) -> msgspec.Meta:
    """A description, and keywords of JSON Schema that msgspec only repeats."""
    return msgspec.Meta(description=description, extra_json_schema=schema or None)


def refer(name: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=name)}
