"""Configuration: composed from files, variables and the command line, checked whole, and dumped so that it can be read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwright.config.old_forms.load import load as load


def __getattr__(name: str) -> Any:
    if name == "load":
        from trainwright.config.old_forms.load import load

        return load
    raise AttributeError(f"module 'trainwright.config' has no attribute '{name}'")
