"""What a module puts into a checkpoint, as JSON and back: nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError


def encoded(value: Any) -> Any:
    """A value as JSON holds it, tensors with their type. Raises TrainwrightError naming what it cannot hold."""
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping):
        return {str(name): encoded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(each) for each in value]
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        fix = "keep numbers, texts, lists, mappings and tensors"
        raise TrainwrightError(f"on_save_checkpoint kept a {type(value).__name__}", why="nothing is pickled here", fix=fix) from error
    return value


def decoded(value: Any) -> Any:
    """What `encoded` was given, tuples as lists."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor", "dtype"}:
            return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
        return {name: decoded(each) for name, each in value.items()}
    return [decoded(each) for each in value] if isinstance(value, list) else value
