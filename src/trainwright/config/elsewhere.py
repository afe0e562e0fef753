"""Names of a file that are found in others: imported when they are first asked for, or known by an old path for one more release."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def found_later(module: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names are found in other modules (name → module), which are imported on first use."""

    def find(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        return getattr(import_module(where[name]), name)

    return find


def found_in(now: str, old: str, names: Collection[str] | None = None) -> Callable[[str], Any]:
    """The `__getattr__` of the file `old`, whose names (all, or those given) are now in the file `now`; each is found with a warning."""

    def find(name: str) -> Any:
        if name.startswith("__") or (names is not None and name not in names):
            raise AttributeError(f"module '{old}' has no attribute '{name}'")
        value = getattr(import_module(now), name)
        warnings.warn(f"{old}.{name} is now {now}.{name}", DeprecationWarning, stacklevel=2)
        return value

    return find
