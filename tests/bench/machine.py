"""On what a report was measured, and of what."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("cco-knowledge", "lancedb", "llama-cpp-python", "pyarrow", "aiohttp", "orjson")
_ROOT = Path(__file__).parents[2]


def machine() -> dict[str, object]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6),
        "kernel": platform.release(),
        "system": platform.system(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        package: metadata.version(package) for package in _PACKAGES if _is_installed(package)
    }


def revision() -> str:
    """Of this checkout; `+` behind it: with changes that are not committed."""
    described = subprocess.run(
        ["git", "-C", str(_ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"],
        check=False,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
