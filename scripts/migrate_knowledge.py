#!/usr/bin/env python3
"""Bring old knowledge into the daemon: `kmctl migrate` of this checkout.

scripts/migrate_knowledge.py SOURCE... [--dry-run] [--report FILE]
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python")

if not os.access(PYTHON, os.X_OK):
    subprocess.run([ROOT / "scripts/setup"], check=True)
os.execv(PYTHON, [PYTHON, "-P", "-m", "kmctl", "migrate", *sys.argv[1:]])  # noqa: S606
