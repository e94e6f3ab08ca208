"""The OpenRPC document: what it is made of, without a daemon."""

import json
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from jsonschema import Draft7Validator, ValidationError

import openrpc
from cco_knowledge.errors import InvalidInput
from cco_knowledge.rpc import params, reading
from cco_knowledge.rpc.discover import document, encoded_document
from cco_knowledge.rpc.errors import ADVICE, CODES
from cco_knowledge.rpc.examples import EXAMPLES, UNTOLD
from cco_knowledge.rpc.methods import METHODS, SYSTEM, Signature

DOCUMENT: dict[str, Any] = json.loads(encoded_document())
SIGNATURES: dict[str, Signature] = {**METHODS, **SYSTEM}

each_method = pytest.mark.parametrize("name", SIGNATURES)


def test_openrpc_itself_finds_nothing_wrong() -> None:
    assert openrpc.errors_in(DOCUMENT) == []


def test_openrpc_itself_finds_what_is_wrong() -> None:
    assert openrpc.errors_in(DOCUMENT | {"methods": [{"name": "no.params"}]}) != []
    assert openrpc.errors_in({**DOCUMENT, "components": {"schemas": {"Bad": {"type": 5}}}}) != []


def test_it_has_every_method_and_only_these() -> None:
    assert [method["name"] for method in DOCUMENT["methods"]] == list(SIGNATURES)
    assert EXAMPLES.keys() == SIGNATURES.keys() - UNTOLD


def test_every_error_says_what_to_do() -> None:
    assert list(ADVICE) == list(CODES)
    assert list(DOCUMENT["components"]["errors"]) == list(CODES)


@each_method
def test_a_method_says_what_it_does_takes_and_gives(name: str) -> None:
    method = openrpc.method(DOCUMENT, name)
    assert method["summary"].endswith(".")
    assert [each for each in method["params"] if not each["description"]] == []
    assert method["result"]["schema"]
    assert bool(method["examples"]) is (name not in UNTOLD), "add one to rpc/examples"


@each_method
def test_params_are_in_the_order_of_positions(name: str) -> None:
    names = [each["name"] for each in openrpc.method(DOCUMENT, name)["params"]]
    assert names == list(SIGNATURES[name].params.__struct_fields__)


@pytest.mark.parametrize(
    "name",
    sorted(SIGNATURES.keys() - {"rpc.discover"}),  # which gives it encoded
)
def test_a_handler_takes_and_gives_what_its_row_says(name: str) -> None:
    method = METHODS.get(name) or SYSTEM[name]
    hints = get_type_hints(method.handler, include_extras=True)
    assert (hints["given"], hints["return"]) == (method.params, method.result)


@each_method
def test_the_errors_of_a_method_exist(name: str) -> None:
    assert set(SIGNATURES[name].errors) <= CODES.keys()


def test_all_that_is_referred_to_is_there() -> None:
    targets = set(references(DOCUMENT))
    assert len(targets) > 20
    for target in targets:
        kind, _, name = target.removeprefix("#/components/").partition("/")
        assert name in DOCUMENT["components"][kind], target


def references(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from references(part)
    elif isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references(part)


def test_every_field_of_a_shape_is_described() -> None:
    shapes = DOCUMENT["components"]["schemas"]
    assert len(shapes) > 15
    bare = [
        f"{name}.{field}"
        for name, shape in shapes.items()
        for field, schema in shape["properties"].items()
        if not schema.get("description")
    ]
    assert bare == []


def test_every_shape_is_a_valid_schema_and_closed() -> None:
    for shape in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(shape)
        assert shape["additionalProperties"] is False


@pytest.mark.parametrize(
    ("name", "given", "example"),
    list(openrpc.examples(DOCUMENT)),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_example_has_the_shapes_that_are_promised(
    name: str, given: dict[str, Any], example: dict[str, Any]
) -> None:
    openrpc.check_params(DOCUMENT, name, given)
    openrpc.check_result(DOCUMENT, name, example["result"]["value"])


# The schemas of params and the daemon's own check agree


def is_promised(name: str, given: dict[str, Any]) -> bool:
    try:
        openrpc.check_params(DOCUMENT, name, given)
    except ValidationError:
        return False
    return True


def is_read(kind: type[params.Params], given: dict[str, Any]) -> bool:
    try:
        reading.read(kind, given)
    except InvalidInput:
        return False
    return True


def params_of_an_example(name: str) -> dict[str, Any]:
    if name in UNTOLD:
        taken = openrpc.method(DOCUMENT, name)["params"]
        return {one["name"]: "import-1" for one in taken if one["required"]}
    return dict(EXAMPLES[name][0].params)


WRONG_AND_RIGHT: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 100, 101, 1001, 0.5, 1.5, 1_000_000, "a", "a" * 257, "vector", "query"),
    *([], ["a"], ["a", 5], ["a"] * 257, ["a" * 257], {}, {"a": [None]}),
    *("return", "id", "2026-01-01T00:00:00Z"),
)


@each_method
def test_the_daemon_takes_what_the_schema_allows_and_nothing_else(name: str) -> None:
    kind = SIGNATURES[name].params
    base = params_of_an_example(name)
    for field in (*kind.__struct_fields__, "unknown"):
        for value in WRONG_AND_RIGHT:
            if is_beyond_the_schema(field, value):
                continue
            given = {**base, field: value}
            assert is_promised(name, given) == is_read(kind, given), (field, value)
        without = {key: value for key, value in base.items() if key != field}
        assert is_promised(name, without) == is_read(kind, without), field


def is_beyond_the_schema(field: str, value: object) -> bool:
    """Items fail alone; a format asserts nothing in JSON Schema; null means not given."""
    return (
        (field == "items" and bool(value) and isinstance(value, list))
        or (field in ("timestamp", "since", "until") and isinstance(value, str))
        or (field == "unknown" and value is None)
    )


def test_building_it_again_gives_the_same() -> None:
    assert json.loads(json.dumps(document())) == DOCUMENT
