"""The shape of the repository, and what a running daemon has imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for root in ("daemon", "client") for path in (ROOT / root).rglob("*.py"))
MAX_LINES = 400
TEST_MAX_LINES = 500
HEAVY = (
    *("numpy", "pydantic", "requests", "jinja2", "diskcache", "click", "rich", "gguf", "daemon"),
    "prometheus_client",
)


@pytest.mark.parametrize("folder", ["daemon", "client", "packaging", "scripts"])
def test_a_source_root_is_no_package(folder: str) -> None:
    """PyPI owns the import names `daemon` and `packaging`; a package here would shadow them."""
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_test_modules_are_short_too() -> None:
    long = {
        path.name: n_lines
        for path in (ROOT / "tests").rglob("*.py")
        if (n_lines := len(path.read_text("utf-8").splitlines())) > TEST_MAX_LINES
    }
    assert long == {}


def imported_by(module: str) -> set[str]:
    """The names in sys.modules after importing `module` in a fresh process."""
    code = f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))"
    path = f"import sys; sys.path[:0] = {[str(ROOT / 'daemon'), str(ROOT / 'client')]!r}; "
    finished = subprocess.run(
        [sys.executable, "-I", "-c", path + code], capture_output=True, text=True, check=True
    )
    return set(json.loads(finished.stdout))


def test_the_start_refuses_before_anything_heavy_is_imported() -> None:
    imported = imported_by("cco_knowledge.__main__")
    heavy = {"asyncio", "aiohttp", "pyarrow", "lancedb", "llama_cpp", "msgspec", *HEAVY}
    assert imported & heavy == set()
