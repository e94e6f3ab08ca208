"""What kmctl tells of secrets that were not stored, against a real daemon."""

import json
from pathlib import Path

from outcome import Kmctl

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"


def test_a_store_and_an_update_name_the_kinds_and_no_value(
    shared_kmctl: Kmctl, project: str
) -> None:
    text = f"CI clones with {TOKEN}, the password is hunter2-Trombone."
    told = shared_kmctl("store", text, "--project", project)
    assert told.err == ("Replaced by markers, as it looked secret: 1 github token, 1 password.\n")
    entry_id = told.out.strip()
    assert "CI clones with [redacted: github token]" in shared_kmctl("get", entry_id).out
    changed = shared_kmctl("update", entry_id, "--text", f"now {TOKEN}")
    assert changed.out == f"{entry_id} updated\n"
    assert changed.err == "Replaced by markers, as it looked secret: 1 github token.\n"


def test_an_import_counts_the_entries_with_markers(
    shared_kmctl: Kmctl, project: str, tmp_path: Path
) -> None:
    lines = [
        {"text": f"uses {TOKEN}", "project_id": project},
        {"text": "no", "project_id": project},
    ]
    file = tmp_path / "entries.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = shared_kmctl("import", str(file))
    assert told.out == "2 read, 2 stored, 0 unchanged, 0 failed\n"
    assert "In 1 of them markers stand for what looked like a secret." in told.err
