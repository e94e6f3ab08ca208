"""Entries as resources."""

import json

import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS, TextResourceContents

from entries import store_all
from kmctl.mcp_server.resources import uri_of
from process import Daemon

from .conftest import SHARED_PROJECT

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(client: Client, uri: str) -> dict[str, object]:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert (contents.uri, contents.mime_type) == (uri, "application/json")
    entry: dict[str, object] = json.loads(contents.text)
    return entry


async def test_the_newest_current_entries_of_the_project_are_listed(
    shared_client: Client, shared_daemon: Daemon
) -> None:
    texts = [f"\n  Note {number} on how caches are filled\nand more" for number in range(60)]
    ids = store_all(
        shared_daemon,
        SHARED_PROJECT,
        *(
            {"text": text, "timestamp": f"2030-01-01T00:00:{number:02}Z"}
            for number, text in enumerate(texts)
        ),
    )
    replacing = {"text": "Caches are not filled any more.", "supersedes": [ids[58]]}
    (newest,) = store_all(shared_daemon, SHARED_PROJECT, replacing | {"type": "decision"})
    resources = (await shared_client.list_resources()).resources
    assert len(resources) == 50
    assert resources[0].uri == uri_of(ids[59])
    assert resources[0].name == "Note 59 on how caches are filled"
    assert uri_of(ids[58]) not in [resource.uri for resource in resources]
    assert (await read(shared_client, resources[0].uri))["id"] == ids[59]
    assert (await read(shared_client, uri_of(newest)))["type"] == "decision"


async def test_an_id_may_hold_any_character(
    shared_client: Client, shared_daemon: Daemon, project: str
) -> None:
    odd_id = "a/b c?d#e%20é&{id}"
    store_all(shared_daemon, project, {"id": odd_id, "metadata": {"line": 7}})
    (template,) = (await shared_client.list_resource_templates()).resource_templates
    assert template.uri_template == "knowledge://entries/{id}"
    uri = "knowledge://entries/a%2Fb%20c%3Fd%23e%2520%C3%A9%26%7Bid%7D"
    assert uri_of(odd_id) == uri
    assert (await read(shared_client, uri)).items() >= {
        "id": odd_id,
        "metadata": {"line": 7},
    }.items()


@pytest.mark.parametrize(
    "uri", ["knowledge://entries/general-0-none", "knowledge://entries/", "file:///etc/passwd"]
)
async def test_what_is_no_entry_is_an_error_of_the_protocol(
    shared_client: Client, shared_daemon: Daemon, uri: str
) -> None:
    with pytest.raises(MCPError, match="No entry") as caught:
        await shared_client.read_resource(uri)
    assert caught.value.code == INVALID_PARAMS
    assert caught.value.data == {"uri": uri, "reason": "not_found", "retryable": False}
