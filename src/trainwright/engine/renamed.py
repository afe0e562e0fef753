"""Names of before the words were the field's: each is known for one more release, and says the new one."""

from __future__ import annotations

import warnings
from typing import Any

ON_SESSION = {"tick": "batches_seen", "left_out": "skipped_batches", "fraction": "progress", "moment": "context", "times_back": "rollbacks"}
ON_CONTEXT = {"fraction": "progress"}


def find_renamed(of: Any, name: str, names: dict[str, str]) -> Any:
    """The attribute that `name` is called today, with a DeprecationWarning. Raises AttributeError for a name that never was."""
    if name not in names:
        raise AttributeError(f"'{type(of).__name__}' object has no attribute '{name}'")
    warnings.warn(f"{type(of).__name__}.{name} is now called {names[name]}", DeprecationWarning, stacklevel=3)
    return getattr(of, names[name])
