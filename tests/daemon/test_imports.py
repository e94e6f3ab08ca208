"""What a daemon has imported, and what only some calls make it import.

Each module costs start-up and memory for good: docs/measuring.md has what the large ones cost.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from entries import store_all
from process import Daemon
from prometheus_text import get

THIRD_PARTY = frozenset(
    {
        # The settings and the wire.
        *("msgspec", "orjson", "typing_extensions"),
        # The model, the table, and the words of a text.
        *("llama_cpp", "lancedb", "numpy", "pyarrow", "Stemmer"),
    }
)
NATIVE_LAYERS = {
    "lancedb": {"lancedb", "lancedb._lancedb"},
    "llama_cpp": {"llama_cpp", "llama_cpp._ctypes_extensions", "llama_cpp.llama_cpp"},
}
"""All that is used of them; the rest of each takes seconds and a hundred megabytes."""


PROGRAM = """
import json, pathlib, sys
from cco_knowledge.__main__ import main
code = main()
home = pathlib.Path(sys.argv[sys.argv.index("--home") + 1])
(home / "modules.json").write_text(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""


class Telling(Daemon):
    """Writes the names of its modules into its home when it ends."""

    program = ("-c", PROGRAM)


def modules_after(work: Callable[[Daemon], object], home: Path) -> set[str]:
    daemon = Telling(home)
    try:
        work(daemon.start().wait_ready())
        assert daemon.stop() == 0, daemon.stderr
    finally:
        daemon.discard()
    return set(json.loads((home / "modules.json").read_text()))


def search_store_and_read(daemon: Daemon) -> None:
    (entry_id,) = store_all(daemon, "p", {"text": "The gyroscope drifts."})
    assert daemon.call("knowledge.search", {"query": "gyroscope"})["results"]
    assert daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    assert daemon.call("system.status")["ready"]


def test_only_what_most_calls_need_is_imported(home: Path) -> None:
    with_entries = Daemon(home).start().wait_ready()
    store_all(with_entries, "p", {"text": "The altimeter sticks."})
    assert with_entries.stop() == 0
    modules = modules_after(search_store_and_read, home)
    packages = {name.partition(".")[0] for name in modules}
    ours_and_pythons = sys.stdlib_module_names | {"cco_knowledge", "__main__", "_distutils_hack"}
    by_cython = {name for name in packages if name.startswith(("_cython_", "cython_"))}
    assert packages - ours_and_pythons - by_cython <= THIRD_PARTY
    for package, used in NATIVE_LAYERS.items():
        assert {name for name in modules if name.partition(".")[0] == package} <= used
    assert "pyarrow.compute" not in modules
    assert not packages & {"unittest", "xml", "sqlite3", "multiprocessing", "pdb"}


def test_http_and_a_scrape_import_their_libraries(home: Path) -> None:
    modules = modules_after(lambda one: get(one.socket_path, "/metrics"), home)
    assert {"aiohttp", "prometheus_client"} <= modules
