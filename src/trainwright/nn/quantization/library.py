"""The library torchao, imported when somebody asks for what it rounds."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError

EXTRA = "pip install 'trainwright[torchao]'"


def need(name: str, where: str) -> Any:
    """A module of torchao; raises ConfigError, saying how to get it, where it is not installed."""
    logs = [logging.getLogger(each) for each in ("torchao", "torch.utils._pytree")]
    levels = [each.level for each in logs]
    for each in logs:  # kernels for cards that are not here cannot be loaded, and it says so of each
        each.setLevel(logging.ERROR)
    try:
        return import_module(name)
    except ImportError as error:
        what = "weights are rounded by the library torchao, which is not installed"
        raise ConfigError(what, where=where, why=str(error), fix=EXTRA) from error
    finally:
        for each, level in zip(logs, levels, strict=True):
            each.setLevel(level)
