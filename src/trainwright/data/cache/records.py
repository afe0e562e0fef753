"""A sample as bytes and back: tensors, arrays and plain values, nested; nothing is pickled, and every number comes back bit for bit."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

ENCODER = json.JSONEncoder(separators=(",", ":"))
ALIGNED = 64
"""Bytes to which each array begins, as wide as what a processor loads at once."""
PLAIN = (bool, int, float, str, type(None))
WORDS = {torch.bfloat16: torch.int16}
"""Types of number that numpy has not → those with as many bits."""


class Unkept(Exception):
    """Why a sample cannot be kept, in words."""


class ArrayPlace(NamedTuple):
    """Where an array lies in the bytes of a sample, and how it becomes what it was."""

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: tuple[int, ...]
    """The dimensions from the one with the widest steps to that with the narrowest."""
    torch_type: str
    """Name of torch's type; empty for an array of numpy."""


def to_bytes(sample: Any) -> bytes:
    """The sample as bytes: how long its description is, the description (JSON), and the numbers. Raises Unkept for anything else."""
    blocks: list[np.ndarray] = []
    tree = _describe(sample, blocks)
    starts, end = [], 0
    for each in blocks:
        starts.append(end)
        end = _aligned(end + each.nbytes)
    head = ENCODER.encode([tree, starts]).encode()
    head = len(head).to_bytes(4, "little") + head
    pieces: list[Any] = [head.ljust(_aligned(len(head)), b"\0")]
    for start, each, after in zip(starts, blocks, [*starts[1:], end], strict=True):
        pieces += [memoryview(each.reshape(-1).view(np.uint8)), bytes(after - start - each.nbytes)]
    return b"".join(pieces[:-1] if blocks else pieces)


def from_bytes(held: memoryview) -> Any:
    """The sample again, in memory of its own."""
    long = int.from_bytes(held[:4], "little")
    tree, places = _parsed(bytes(held[4 : 4 + long]))
    begin = _aligned(4 + long)
    return _rebuild(tree, [_array(held, begin, each) for each in places])


def _describe(value: Any, blocks: list[np.ndarray]) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return {"v": value}
    if kind is Tensor or kind is np.ndarray or isinstance(value, np.generic):
        return {"a": _add_array(value, blocks)}
    if kind in (tuple, list):
        return {"t" if kind is tuple else "l": [_describe(each, blocks) for each in value]}
    if kind is dict and all(type(name) is str for name in value):
        return {"d": {name: _describe(each, blocks) for name, each in value.items()}}
    raise Unkept(f"a sample holds a {kind.__module__.partition('.')[0]} {kind.__name__}, and what is kept are tensors, arrays and numbers")


def _add_array(value: Any, blocks: list[np.ndarray]) -> list[Any]:
    """The description of an array whose numbers are added to the blocks in the order in which they lie."""
    name = ""
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or not value.is_cpu or value.requires_grad or value.is_quantized:
            raise Unkept("a sample holds a tensor that is sparse, on a device, or asks for a gradient")
        name = str(value.dtype).removeprefix("torch.")
        steps = value.stride()
        value = (value.view(WORDS[value.dtype]) if value.dtype in WORDS else value).numpy(force=True)
    else:
        scalar = not isinstance(value, np.ndarray)
        value, name = np.asarray(value), "scalar" if scalar else ""
        steps = value.strides
    if value.dtype.kind not in "biufc" or not value.dtype.isnative:
        raise Unkept(f"a sample holds an array of {value.dtype}")
    # What follows may sum along the dimension whose numbers lie beside each other: another order would be rounded otherwise.
    order = sorted(range(value.ndim), key=lambda place: -abs(steps[place]))
    blocks.append(np.ascontiguousarray(value.transpose(order)))
    return [value.dtype.str, list(value.shape), order, name]


@lru_cache(maxsize=4096)
def _parsed(head: bytes) -> tuple[Any, tuple[ArrayPlace, ...]]:
    tree, starts = json.loads(head)
    found: list[Any] = []
    _find_arrays(tree, found)
    places = [
        ArrayPlace(start, np.dtype(dtype), tuple(shape), tuple(order), name)
        for start, (dtype, shape, order, name) in zip(starts, found, strict=True)
    ]
    return tree, tuple(places)


def _find_arrays(tree: Any, found: list[Any]) -> None:
    ((kind, value),) = tree.items()
    if kind == "a":
        found.append(value)
    for each in value if kind in "tl" else value.values() if kind == "d" else ():
        _find_arrays(each, found)


def _array(held: memoryview, begin: int, place: ArrayPlace) -> Any:
    laid = tuple(place.shape[each] for each in place.order)
    found: np.ndarray = np.frombuffer(held, place.dtype, math.prod(laid), begin + place.start).copy().reshape(laid)
    if place.torch_type == "scalar":
        return found[()]
    back = sorted(range(len(laid)), key=place.order.__getitem__)
    if not place.torch_type:
        return found.transpose(back)
    made = torch.from_numpy(found)
    dtype = getattr(torch, place.torch_type)
    made = made.view(dtype) if dtype in WORDS else made
    return made.permute(back) if back != list(range(len(laid))) else made


def _rebuild(tree: Any, arrays: list[Any]) -> Any:
    """The value of a description; arrays are taken in the order in which they were found."""
    waiting = iter(arrays)
    return _value(tree, waiting)


def _value(tree: Any, arrays: Any) -> Any:
    ((kind, value),) = tree.items()
    if kind == "v":
        return value
    if kind == "a":
        return next(arrays)
    if kind == "d":
        return {name: _value(each, arrays) for name, each in value.items()}
    items = [_value(each, arrays) for each in value]
    return tuple(items) if kind == "t" else items


def _aligned(count: int) -> int:
    return -(-count // ALIGNED) * ALIGNED
