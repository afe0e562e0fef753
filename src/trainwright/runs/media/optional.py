"""The libraries that only some media need, imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError

PACKAGES = {"PIL": "pillow", "av": "av", "trimesh": "trimesh"}


def import_needed(module: str, purpose: str) -> Any:
    """The module, or a ConfigError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = PACKAGES[module.partition(".")[0]]
        raise ConfigError(f"{purpose} needs {package}", why=str(error), fix="pip install 'trainwright[media]'") from error
