"""What the real npm package of the old tool writes today is read equal."""

from pathlib import Path
from typing import Any

import pytest

from kmctl.migration.folders import Found, find
from kmctl.migration.tables import OldTable
from migration.legacy_data import records


@pytest.mark.timeout(300)  # the first time it fetches the packages
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
