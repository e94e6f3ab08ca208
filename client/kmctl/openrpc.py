"""An OpenRPC document in words: what a method takes and gives, as rows of tables."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Named = Callable[[str], str]
"""How the name of a shape is written, for example as a link to it."""


def param_rows(method: Mapping[str, Any], named: Named = str) -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning."""
    return [
        (
            param["name"],
            in_words(_without_null(param["schema"]), named),
            _default(param),
            param["description"],
        )
        for param in method["params"]
    ]


def result_rows(
    document: Mapping[str, Any], method: Mapping[str, Any], named: Named = str
) -> list[tuple[str, str, str]]:
    """Name, type and meaning of each field; of the result as a whole where it has none."""
    schema = method["result"]["schema"]
    if "$ref" in schema:
        return shape_rows(document["components"]["schemas"][_name(schema)], named)
    return [("", in_words(schema, named), schema["description"])]


def shape_rows(shape: Mapping[str, Any], named: Named = str) -> list[tuple[str, str, str]]:
    return [
        (name, in_words(schema, named), schema["description"])
        for name, schema in shape["properties"].items()
    ]


def in_words(schema: Mapping[str, Any], named: Named = str) -> str:
    """The type that a JSON Schema means, such as `list of strings (1 to 100)`."""
    if "$ref" in schema:
        return named(_name(schema))
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(in_words(part, named) for part in schema["anyOf"])
    return _kind(schema, named) + _bounds(schema)


def _kind(schema: Mapping[str, Any], named: Named) -> str:
    kind = schema["type"]
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind != "array":
        return str(kind)
    items = schema.get("items", {})
    if "type" not in items:
        return f"list of {in_words(items, named)}"
    return f"list of {_kind(items, named)}s"


def _bounds(schema: Mapping[str, Any]) -> str:
    """Of a number, of a list's length, or of a string's in characters."""
    low = schema.get("minimum", schema.get("minItems"))
    high = schema.get("maximum", schema.get("maxItems", schema.get("maxLength")))
    if high is None:
        return "" if low is None else f" (from {low:,})"
    return f" (up to {high:,})" if low is None else f" ({low:,} to {high:,})"


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """That every optional param may be null is said once, not in each row."""
    plain = dict(schema)
    if isinstance(plain.get("type"), list):
        (plain["type"],) = [kind for kind in plain["type"] if kind != "null"]
    if "enum" in plain:
        plain["enum"] = [value for value in plain["enum"] if value is not None]
    if "anyOf" in plain:
        plain["anyOf"] = [part for part in plain["anyOf"] if part != {"type": "null"}]
    return plain


def _default(param: Mapping[str, Any]) -> str:
    if param["required"]:
        return "required"
    return json.dumps(param["schema"]["default"]) if "default" in param["schema"] else ""


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
