"""Values of a person's own as JSON and YAML hold them, and back as what they were: nothing is pickled."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError

BACK: dict[str, Callable[[Any], Any]] = {
    "__tuple__": lambda inside: tuple(map(decode_value, inside)),
    "__set__": lambda inside: set(map(decode_value, inside)),
    "__pairs__": lambda inside: {decode_value(name): decode_value(each) for name, each in inside},
    "__array__": lambda inside: np.array(inside[0], dtype=inside[1]),
    "__number__": lambda inside: np.dtype(inside[1]).type(inside[0]),
    "__bytes__": lambda inside: base64.b64decode(inside),
    "__path__": lambda inside: Path(inside),
    "__dtype__": lambda inside: getattr(torch, inside),
    "__device__": lambda inside: torch.device(inside),
    "__complex__": lambda inside: complex(*inside),
}
"""The only key of a mapping that stands for something JSON has not → what makes it again."""


def encode_value(value: Any, where: str = "on_save_checkpoint") -> Any:
    """A value as JSON holds it, with the type of what JSON has not. Raises TrainwrightError naming what cannot be written."""
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping):
        return _mapping(value, where)
    if type(value) is list:
        return [encode_value(each, where) for each in value]
    tagged = _tag(value, where)
    if tagged is not None:
        return tagged
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        fix = "keep numbers, texts, lists, tuples, sets, mappings, arrays and tensors"
        raise TrainwrightError(f"{where} kept a {type(value).__name__}", why="nothing is pickled here", fix=fix) from error


def _mapping(value: Mapping[Any, Any], where: str) -> Any:
    """By its names; as pairs where they are no texts, or could be taken for a type."""
    plain = all(isinstance(name, str) for name in value) and not (len(value) == 1 and next(iter(value)) in BACK)
    if plain and set(value) != {"tensor", "dtype"}:
        return {str(name): encode_value(each, where) for name, each in value.items()}
    return {"__pairs__": [[encode_value(name, where), encode_value(each, where)] for name, each in value.items()]}


def _tag(value: Any, where: str) -> Any:
    """What JSON has no form of, by its type; None for all else."""
    if isinstance(value, tuple):
        return {"__tuple__": [encode_value(each, where) for each in value]}
    if isinstance(value, set | frozenset):
        return {"__set__": [encode_value(each, where) for each in sorted(value, key=repr)]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"__array__": [value.tolist(), str(value.dtype)]}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"__number__": [value.item(), str(value.dtype)]}
    if isinstance(value, bytes):
        return {"__bytes__": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"__complex__": [value.real, value.imag]}
    kinds = {Path: "__path__", torch.dtype: "__dtype__", torch.device: "__device__"}
    tag = next((tag for kind, tag in kinds.items() if isinstance(value, kind)), None)
    return None if tag is None else {tag: str(value).removeprefix("torch.")}


def decode_value(value: Any) -> Any:
    """What `encode_value` was given; frozen sets as sets, and tuples with names as plain ones."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor", "dtype"}:
            return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
        if len(value) == 1 and (tag := next(iter(value))) in BACK:
            return BACK[tag](value[tag])
        return {name: decode_value(each) for name, each in value.items()}
    return [decode_value(each) for each in value] if isinstance(value, list) else value
