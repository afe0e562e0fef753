"""Files by the paths that they had, known for one more release."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def found_in(now: str, old: str) -> Callable[[str], Any]:
    """The `__getattr__` of the file `old`, whose names are in the file `now`: each is found there, with a DeprecationWarning."""

    def find(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module '{old}' has no attribute '{name}'")
        value = getattr(import_module(now), name)
        warnings.warn(f"{old}.{name} is now {now}.{name}", DeprecationWarning, stacklevel=2)
        return value

    return find
