"""Secrets as bytes: every form is found, wherever it lies, and nothing else is touched."""

import base64
import json
from pathlib import Path

import pytest

from cco_knowledge.scrubbing import files_with
from cco_knowledge.scrubbing.files_with import blot_out, count_in, files_below, forms_of

VALUE = 'ghp_"quoted\\Zürich77'


@pytest.mark.parametrize(
    "content",
    [
        f"before {VALUE} after".encode(),
        json.dumps({"a": f"x{VALUE}"}).encode(),
        *(base64.b64encode(b"#" * n + VALUE.encode() + b"##") for n in range(4)),
    ],
)
@pytest.mark.parametrize("begin", [0, 60, 64])
def test_every_form_is_found_and_blotted_out(
    tmp_path: Path, content: bytes, begin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it lies across the steps in which a file is read."""
    monkeypatch.setattr(files_with, "_STEP_BYTES", 64)
    file = tmp_path / "a"
    file.write_bytes(b"." * begin + content + b"." * 100)
    forms = forms_of([VALUE])
    assert count_in(file, forms) >= 1
    assert blot_out(file, forms) >= 1
    assert count_in(file, forms) == 0
    after = file.read_bytes()
    assert len(after) == begin + len(content) + 100
    assert after.startswith(b"." * begin)
    assert after.endswith(b"." * 100)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").write_text(VALUE)
    (tmp_path / "home" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "home" / "file").write_text("")
    assert list(files_below(tmp_path / "home")) == [tmp_path / "home" / "file"]
    assert count_in(tmp_path / "gone", forms_of([VALUE])) == 0
