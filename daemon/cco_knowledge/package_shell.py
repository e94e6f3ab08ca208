"""Importing a submodule without running its package's `__init__`."""

import importlib.util
import sys
import types


def install_shell(package: str, distribution: str) -> None:
    """Make `package` a bare module that only knows where its submodules lie.

    Without effect where the package is imported already. Raises ImportError when it is missing.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{distribution} is not installed")
    shell = types.ModuleType(package)
    shell.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = shell
