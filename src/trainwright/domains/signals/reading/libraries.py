"""Libraries that read recordings, imported when a file needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError


def need(name: str, what: str) -> Any:
    """A library of the extra `signals`; raises ConfigError, saying how to get it, where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ConfigError(
            f"{what} are read by the library {package}, which is not installed", why=str(error), fix="pip install 'trainwright[signals]'"
        ) from error


def optional(name: str) -> Any | None:
    """A library that may be there or not, also where it is there and cannot be loaded."""
    try:
        return import_module(name)
    except (ImportError, OSError, RuntimeError):
        return None
