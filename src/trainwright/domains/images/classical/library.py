"""scikit-image, imported when something is measured."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError


def skimage(part: str) -> Any:
    """A module of scikit-image (`feature`, `measure`, `transform`); raises ConfigError, saying how to get it, where it is not installed."""
    try:
        return import_module(f"skimage.{part}")
    except ImportError as error:
        fix = "pip install 'trainwright[images]'"
        raise ConfigError("pictures are measured by scikit-image, which is not installed", why=str(error), fix=fix) from error
