"""The quantizer of ONNX Runtime, imported when somebody asks for int8."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError


def need(name: str) -> Any:
    """A module of the extra `export`; raises ConfigError, saying how to get it, where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        what = f"int8 files are written by the library {package}, which is not installed"
        raise ConfigError(what, where="int8", why=str(error), fix="pip install 'trainwright[export]'") from error


@contextmanager
def without_advice() -> Iterator[None]:
    """Leave out what the quantizer logs to people who call it by hand: to run a step that this package has replaced by its own."""

    def keep(record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)
