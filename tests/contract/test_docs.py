"""The pages say what the code does: tables, links, examples."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

import cco_knowledge_client
from cco_knowledge import config
from cco_knowledge import errors as daemon_errors
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS
from cco_knowledge.paths import Home
from cco_knowledge.rpc.errors import CODES
from cco_knowledge.rpc.methods import METHODS, SYSTEM
from cco_knowledge_client.errors import CODES as CODES_OF_THE_CLIENT
from cco_knowledge_client.errors import error_from
from kmctl.boundary import exit_code
from outcome import Kmctl
from process import Daemon, clean_environment

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CLIENT_ROOT = Path(cco_knowledge_client.__file__).parents[1]

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(page: str, *titles: str) -> list[list[str]]:
    """The rows of the one table whose header begins with these titles."""
    head = "| " + " | ".join(titles) + " |"
    (start,) = [match.start() for match in re.finditer(f"^{re.escape(head)}", page, re.MULTILINE)]
    lines = page[start:].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def unquoted(cell: str) -> str:
    assert cell.startswith("`"), cell
    return cell.strip("`")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


# docs/kmctl.md, docs/reference.md


@pytest.mark.parametrize("page", ["docs/kmctl.md", "docs/reference.md"])
def test_a_page_is_what_the_script_writes(page: str) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "docs"))
    assert read(page) == script["pages"]()[page], "run scripts/docs"


def test_every_method_and_setting_is_in_the_reference() -> None:
    reference = read("docs/reference.md")
    methods = table(reference, "method", "what it does")
    assert [re.findall(r"`(.+)`", method) for method, _ in methods] == [
        [method] for method in (*METHODS, *SYSTEM)
    ]
    settings = table(reference, "key", "type", "default", "meaning")
    assert [unquoted(key) for key, *_ in settings] == list(config.setting_keys())


def test_every_error_is_documented_with_what_programs_get() -> None:
    rows = table(read("docs/reference.md"), "code", "reason", "retry", "exit")
    documented = {
        unquoted(reason): (int(code), retry, ends_with)
        for code, reason, retry, ends_with, _ in rows
    }
    assert documented == {
        reason: (code, "yes" if retryable(reason) else "no", str(exit_code(reason)))
        for reason, code in CODES.items()
    }


def retryable(reason: str) -> bool:
    return error_from({"code": CODES[reason], "data": {"reason": reason}}).retryable


# docs/settings.md


def test_every_short_variable_is_documented() -> None:
    rows = table(read("docs/settings.md"), "variable", "meaning")
    variables = {*config._SHORT_ENVIRONMENT, "CCO_HOME", "CCO_PROJECT"}
    assert {unquoted(name) for name, _ in rows} == variables


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    (example,) = blocks(read("docs/settings.md"), "toml")
    Home(tmp_path).config.write_text(example)
    loaded = config.load_config({"home": str(tmp_path)}, {})
    assert loaded.config.knowledge.extra_types


# docs/models.md


def test_every_known_model_is_documented() -> None:
    rows = table(read("docs/models.md"), "name", "dimensions", "passage, tokens", "pooling")
    assert {
        (unquoted(name.removesuffix(" (default)")), int(dim), int(window), pooling)
        for name, dim, window, pooling, *_ in rows
    } == {
        (model.name, model.dim, model.window_tokens, model.pooling)
        for model in KNOWN_MODELS.values()
    }
    assert [name for name, *_ in rows if "(default)" in name] == [f"`{DEFAULT_MODEL}` (default)"]


# Errors


def test_the_client_knows_every_error_of_the_daemon() -> None:
    assert CODES.items() <= CODES_OF_THE_CLIENT.items()


def test_client_and_daemon_agree_on_what_may_be_tried_again() -> None:
    kinds = daemon_errors.KnowledgeError.__subclasses__()
    sent = {kind.reason: kind.retryable for kind in kinds if kind.reason in CODES}
    assert sent == {reason: retryable(reason) for reason in sent}
    assert len(sent) > 5


# Links and names


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text("utf-8")), target


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_script_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"\bscripts/[\w.-]+", page.read_text("utf-8")):
        assert (ROOT / name).exists(), name


def test_the_tree_of_the_architecture_names_what_exists() -> None:
    tree = blocks(read("ARCHITECTURE.md"), "")[0]
    named = list(paths_in(tree))
    assert len(named) > 30
    assert [str(path) for path in named if not (ROOT / path).exists()] == []


def paths_in(tree: str) -> Iterator[Path]:
    """Two spaces a level; a line names a folder, or files, and then says what they are for."""
    folders: list[Path] = []
    for line in tree.splitlines():
        names = re.match(r"( *)((?:[\w/]+(?:\.py|/) *)+)", line)
        assert names, line
        depth = len(names[1]) // 2
        del folders[depth:]
        parent = folders[-1] if folders else Path()
        for name in names[2].split():
            yield parent / name
            if name.endswith("/"):
                folders.append(parent / name)


# The examples of the README, with the home in its usual place


@pytest.fixture
def usual_home(daemon: Daemon) -> Path:
    """`~/.cco` is the home of a daemon that runs, when HOME is this."""
    (daemon.home / ".cco").symlink_to(daemon.home)
    return daemon.home


def run_example(command: list[str], home: Path, more: Mapping[str, str]) -> str:
    ended = subprocess.run(
        command, env=clean_environment(home) | dict(more), capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b""), ended
    return ended.stdout.decode()


def test_the_python_of_the_readme_runs_on_the_standard_library_alone(usual_home: Path) -> None:
    (example,) = blocks(read("README.md"), "python")
    only_client = {"PYTHONPATH": str(CLIENT_ROOT)}
    printed = run_example([sys.executable, "-S", "-c", example], usual_home, only_client)
    found, *context = printed.splitlines()
    assert re.fullmatch(r"0\.\d+ We use LanceDB for vectors", found)
    assert "> We use LanceDB for vectors" in context


def test_the_curl_of_the_readme_gets_a_result(usual_home: Path) -> None:
    if shutil.which("curl", path=os.defpath) is None:
        pytest.skip("curl is not installed")
    (example,) = [block for block in blocks(read("README.md"), "sh") if "curl" in block]
    quiet = example.replace("curl ", "curl --silent --show-error ", 1)
    printed = run_example(["/bin/sh", "-c", quiet], usual_home, {})
    assert msgspec.json.decode(printed)["result"]["results"] == []


def test_the_commands_of_the_readme_run(daemon: Daemon) -> None:
    (example,) = blocks(read("README.md"), "console")
    kmctl = Kmctl(daemon.home)
    words = [shlex.split(line.removeprefix("$"), comments=True) for line in example.splitlines()]
    assert [command[0] for command in words] == [".venv/bin/kmctl"] * len(words)
    outputs = [kmctl(*command[1:]) for command in words]
    assert [outcome.code for outcome in outputs] == [0] * len(words), outputs
    assert any("We use LanceDB for vectors" in outcome.out for outcome in outputs)
    assert daemon.wait() == 0
