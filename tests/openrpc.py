"""The OpenRPC document of a daemon, and values against the JSON Schemas in it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

_FOLDER = Path(__file__).parent / "contract"
_JSON_SCHEMA = "https://meta.json-schema.tools"


def errors_in(document: Any) -> list[str]:
    """What OpenRPC's own schema finds wrong with a document."""
    resource = DRAFT7.create_resource(_read("json_schema.json"))
    registry: Registry[Any] = Registry().with_resources(
        [(_JSON_SCHEMA, resource), (f"{_JSON_SCHEMA}/", resource)]
    )
    validator = Draft7Validator(_read("openrpc.json"), registry=registry)
    return [error.message for error in validator.iter_errors(document)]


def _read(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text("utf-8"))


def method(document: Mapping[str, Any], name: str) -> Any:
    (found,) = [method for method in document["methods"] if method["name"] == name]
    return found


def check_result(document: Mapping[str, Any], name: str, result: object) -> None:
    """Raises ValidationError where it does not have the shape that is promised."""
    check(document, method(document, name)["result"]["schema"], result)


def check_params(document: Mapping[str, Any], name: str, params: Mapping[str, object]) -> None:
    descriptors = method(document, name)["params"]
    shape = {
        "type": "object",
        "properties": {descriptor["name"]: descriptor["schema"] for descriptor in descriptors},
        "required": [one["name"] for one in descriptors if one["required"]],
        "additionalProperties": False,
    }
    check(document, shape, params)


def check(document: Mapping[str, Any], schema: Mapping[str, Any], value: object) -> None:
    complete = {**schema, "components": document["components"]}
    if "$ref" in schema:  # beside which draft 7 sees nothing
        complete = {"allOf": [schema], "components": document["components"]}
    Draft7Validator(complete).validate(value)


def examples(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Method, params by name, and the example itself, in the order of the document."""
    for one in document["methods"]:
        for example in one["examples"]:
            yield one["name"], {part["name"]: part["value"] for part in example["params"]}, example


def by_position(document: Mapping[str, Any], name: str, params: Mapping[str, Any]) -> list[Any]:
    """The same params without names; null where one is not given."""
    values = [params.get(descriptor["name"]) for descriptor in method(document, name)["params"]]
    while values and values[-1] is None:
        values.pop()
    return values
