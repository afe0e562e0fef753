"""A graph inside a configuration: its mistakes at their places in the file, and its paths made absolute. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from trainwright.config.errors import RequestError
from trainwright.config.foreign import folders
from trainwright.config.model import as_refusal
from trainwright.tools.graph.plan import GraphError


def as_validation_error(errors: Sequence[RequestError]) -> ValidationError:
    """The same mistakes as pydantic collects them, each at its node."""
    details: list[InitErrorDetails] = []
    for error in errors:
        path: tuple[str | int, ...] = ()
        if isinstance(error, GraphError):
            path = error.here.path
            if error.here.name:
                error.what = f"node '{error.here.name}': {error.what}"
        details.append(InitErrorDetails(type=as_refusal(error), loc=path, input=None))
    return ValidationError.from_exception_data("graph", details)


def absolute_paths(value: Any) -> Any:
    """Texts and keys such as `./net.py:Net` with the file made absolute, where it is there."""
    if isinstance(value, str):
        return _absolute(value)
    if isinstance(value, Mapping):
        return {absolute_paths(key): absolute_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [absolute_paths(each) for each in value]
    return value


def _absolute(text: str) -> str:
    name, colon, rest = text.rpartition(":")
    if colon and name.endswith((".py", ".safetensors")):
        return f"{_find(name)}:{rest}"
    return _find(text) if text.endswith((".npy", ".safetensors")) else text


def _find(name: str) -> str:
    return next((str((place / name).resolve()) for place in (Path.cwd(), *folders.get()) if (place / name).is_file()), name)
