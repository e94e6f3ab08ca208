"""discover: what the daemon can be asked."""

from typing import Any

import click

from cco_knowledge_client import MethodNotFound
from kmctl.openrpc import param_rows, result_rows
from kmctl.options import Command, Invocation
from kmctl.output import print_json, print_line, print_table, show
from kmctl.reach import ask


@click.command(cls=Command)
@click.argument("method", required=False)
@click.pass_obj
def discover(invocation: Invocation, /, method: str | None) -> None:
    """Describe the daemon's methods: params, results, errors, examples.

    Without METHOD, the whole OpenRPC document, as JSON.
    """
    document = ask(invocation, "rpc.discover")
    if method is None:
        print_json(document)
        return
    described = _method(document, method)
    show(invocation, described, lambda _: _print_method(document, described))


def _method(document: Any, name: str) -> Any:
    methods = {method["name"]: method for method in document["methods"]}
    if name not in methods:
        raise MethodNotFound(f"The daemon has no method {name}. It has {', '.join(methods)}.")
    return methods[name]


def _print_method(document: Any, method: Any) -> None:
    print_line(f"{method['summary']}\n")
    if method["params"]:
        print_table(("param", "type", "default", "meaning"), param_rows(method))
        print_line("")
    print_table(("result", "type", "meaning"), result_rows(document, method))
    for example in method["examples"]:
        print_line(f"\nExample: {example['name']}.")
        print_json({part["name"]: part["value"] for part in example["params"]})
        print_json(example["result"]["value"])
