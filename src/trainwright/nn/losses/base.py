"""`RowLoss` by its old path, for losses of people's own; known for one more release."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

NOW = "trainwright.losses.rows"


def __getattr__(name: str) -> Any:
    if name != "RowLoss":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    warnings.warn(f"trainwright.nn.losses.base.RowLoss is now {NOW}.RowLoss", DeprecationWarning, stacklevel=2)
    return getattr(import_module(NOW), name)
