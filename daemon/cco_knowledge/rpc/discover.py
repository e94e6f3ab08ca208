"""The OpenRPC document of this daemon, made from the method table.

Source: https://spec.open-rpc.org, version 1.3.2
"""

import functools
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from cco_knowledge import __version__
from cco_knowledge.rpc import params, results
from cco_knowledge.rpc.described import REFERENCE
from cco_knowledge.rpc.errors import ADVICE, CODES, is_retryable
from cco_knowledge.rpc.examples import EXAMPLES, Example
from cco_knowledge.rpc.methods import METHODS, SYSTEM, Method, Signature

Schema = dict[str, Any]

_OF_EVERY_METHOD = (
    "invalid_params",
    "internal",
    "unauthorized",
    "rate_limited",
    "overloaded",
    "too_large",
)
_OF_THE_SERVICE = ("unavailable", "deadline_exceeded", "store_failed")
_ITEMS = (params.StoreParams, params.OldRecord, params.ImportItem, params.Migration)
"""Shapes that params refer to."""
_INFO = {
    "title": "CCO Knowledge",
    "version": __version__,
    "description": (
        "The memory that the coding agents of one machine share. Params go by name, or by position "
        'in the order given; `""` and `null` mean "not given". The examples of all methods, in the '
        "order of this document, are one story that a daemon can be asked to play; what an "
        "example's `x-varies` names differs from run to run."
    ),
    "license": {"name": "Apache-2.0"},
}
_SERVER = {
    "name": "Unix socket",
    "url": "http://localhost/rpc",
    "description": (
        "Not on the network: connect to the Unix socket, `~/.cco/knowledge.sock` unless set "
        "otherwise, and POST to this address, or send one JSON value a line."
    ),
}


@functools.cache
def encoded_document() -> bytes:
    return orjson.dumps(document())


def document() -> dict[str, Any]:
    signatures: dict[str, Signature] = {**METHODS, **SYSTEM}
    schemas, shapes = _schemas([signature.result for signature in signatures.values()])
    return {
        "openrpc": "1.3.2",
        "info": _INFO,
        "servers": [_SERVER],
        "methods": [
            _method(name, signature, schema)
            for (name, signature), schema in zip(signatures.items(), schemas, strict=True)
        ],
        "components": {
            "schemas": {**shapes, **{kind.__name__: shape_of(kind) for kind in _ITEMS}},
            "errors": {reason: _error(reason) for reason in CODES},
        },
    }


def shape_of(kind: type[params.Params]) -> Schema:
    """The schema of all params of a method; each optional one may also be null."""
    _, shapes = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    shape = shapes[kind.__name__]
    properties = {
        name: schema if name in shape["required"] else _or_null(schema)
        for name, schema in shape["properties"].items()
    }
    return {**shape, "properties": properties}


def _schemas(kinds: Iterable[Any]) -> tuple[tuple[Schema, ...], dict[str, Schema]]:
    """The schema of each result, and the shapes that they refer to."""
    all_kinds = [*kinds, results.Failed]
    schemas, shapes = msgspec.json.schema_components(all_kinds, ref_template=REFERENCE)
    return schemas[:-1], {name: _closed(name, shape) for name, shape in shapes.items()}


def _closed(name: str, shape: Schema) -> Schema:
    """Nothing but its own fields, in the order in which they are written, not in msgspec's."""
    fields = getattr(results, name).__annotations__
    ordered = {field: shape["properties"][field] for field in fields}
    return {**shape, "properties": ordered, "additionalProperties": False}


def _method(name: str, signature: Signature, result: Schema) -> dict[str, Any]:
    return {
        "name": name,
        "tags": [{"name": name.partition(".")[0]}],
        "summary": signature.summary,
        "x-role": signature.role,
        "paramStructure": "either",
        "params": _params(shape_of(signature.params)),
        "result": {"name": "result", "schema": result},
        "errors": [{"$ref": f"#/components/errors/{reason}"} for reason in _reasons(signature)],
        "examples": [_example(example) for example in EXAMPLES.get(name, ())],
    }


def _params(shape: Schema) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "description": schema["description"],
            "required": name in shape["required"],
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in shape["properties"].items()
    ]


def _or_null(schema: Schema) -> Schema:
    """With null, and without a default that stands for "not given"."""
    given = {key: value for key, value in schema.items() if (key, value) not in _NO_DEFAULT}
    if "anyOf" in given:
        others = [part for part in given["anyOf"] if part != {"type": "null"}]
        return given | {"anyOf": [*others, {"type": "null"}]}
    if "enum" in given:
        return given | {"enum": [*given["enum"], None]}
    return given | {"type": [given["type"], "null"]}


_NO_DEFAULT = (("default", None), ("default", ""))


def _reasons(signature: Signature) -> list[str]:
    served = _OF_THE_SERVICE if isinstance(signature, Method) else ()
    given = {*_OF_EVERY_METHOD, *served, *signature.errors}
    return [reason for reason in CODES if reason in given]


def _error(reason: str) -> dict[str, Any]:
    return {
        "code": CODES[reason],
        "message": ADVICE[reason],
        "data": {"reason": reason, "retryable": is_retryable(reason)},
    }


def _example(example: Example) -> dict[str, Any]:
    varies = {"x-varies": list(example.varies)} if example.varies else {}
    described = {"description": example.description} if example.description else {}
    return {
        "name": example.name,
        **described,
        "params": [{"name": name, "value": value} for name, value in example.params.items()],
        "result": {"name": "result", "value": example.result, **varies},
    }
