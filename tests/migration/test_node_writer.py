"""What the real npm package of the old tool writes today is read equal."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kmctl.migration.folders import Found, find
from kmctl.migration.tables import OldTable
from migration.legacy_data import live_rows, manifest, records, remove_versions, spoil

pytestmark = pytest.mark.timeout(300)  # the first time the packages are fetched


def test_what_the_npm_package_wrote_is_read_equal(
    node_folder: tuple[Path, list[dict[str, Any]]],
) -> None:
    base, written = node_folder
    (found,) = find(base)
    assert found == Found(base / "my-app" / "orchestra_knowledge.lance")

    table = OldTable.open(found.path)
    rows = list(table.rows())

    assert records(rows) == records(written)
    assert [row.has_zero_vector for row in rows] == [True] + [False] * (len(written) - 1)
    assert (table.n_rows, table.version, table.problems) == (len(written), len(written), [])


@pytest.mark.parametrize("plan", ["adaD", "auDda", "aadcau", "aaoaDu", "aoaDuoad"])
def test_what_it_deleted_or_overwrote_does_not_come_back(
    run_node: Callable[..., str], tmp_path: Path, plan: str
) -> None:
    path = tmp_path / "orchestra_knowledge.lance"
    run_node("change.cjs", str(tmp_path), plan)
    live = live_rows(path)
    assert Counter(records(OldTable.open(path).rows())) == live
    spoil(manifest(path), "truncated")
    assert Counter(records(OldTable.open(path).rows())) == live
    remove_versions(path)
    assert Counter(records(OldTable.open(path).rows())) == live
