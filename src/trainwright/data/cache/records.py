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
    numbers: int
    """How many."""
    dtype: np.dtype[Any]
    laid: tuple[int, ...]
    """Its shape as it lies there, from the dimension with the widest steps to that with the narrowest."""
    back: tuple[int, ...] | None
    """Where its dimensions are in that; None where they are in their order."""
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
    head = f"[{tree},{starts}]".encode()
    head = len(head).to_bytes(4, "little") + head
    pieces: list[Any] = [head.ljust(_aligned(len(head)), b"\0")]
    for start, each, after in zip(starts, blocks, [*starts[1:], end], strict=True):
        pieces += [each.reshape(-1).view(np.uint8), bytes(after - start - each.nbytes)]
    return b"".join(pieces[:-1] if blocks else pieces)


def from_bytes(held: memoryview) -> Any:
    """The sample again, in memory of its own."""
    long = int.from_bytes(held[:4], "little")
    tree, places = _parsed(bytes(held[4 : 4 + long]))
    begin = _aligned(4 + long)
    return _rebuild(tree, [_array(held, begin, each) for each in places])


def _describe(value: Any, blocks: list[np.ndarray]) -> str:
    """JSON of what a value is made of; the numbers of its arrays are added to the blocks."""
    kind = type(value)
    if kind is int:
        return f'{{"v":{value}}}'
    if kind in PLAIN:
        return f'{{"v":{ENCODER.encode(value)}}}'
    if kind is Tensor or kind is np.ndarray or isinstance(value, np.generic):
        return _add_array(value, blocks)
    if kind in (tuple, list):
        return f'{{"{"t" if kind is tuple else "l"}":[{",".join([_describe(each, blocks) for each in value])}]}}'
    if kind is dict and all(type(name) is str for name in value):
        return f'{{"d":{{{",".join([f"{ENCODER.encode(name)}:{_describe(each, blocks)}" for name, each in value.items()])}}}}}'
    raise Unkept(f"a sample holds a {kind.__module__.partition('.')[0]} {kind.__name__}, and what is kept are tensors, arrays and numbers")


def _add_array(value: Any, blocks: list[np.ndarray]) -> str:
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
    return _array_words(value.dtype, value.shape, tuple(order), name)


@lru_cache(maxsize=4096)
def _array_words(dtype: np.dtype[Any], shape: tuple[int, ...], order: tuple[int, ...], name: str) -> str:
    return ENCODER.encode({"a": [dtype.str, shape, order, name]})


@lru_cache(maxsize=4096)
def _parsed(head: bytes) -> tuple[Any, tuple[ArrayPlace, ...]]:
    tree, starts = json.loads(head)
    found: list[Any] = []
    _find_arrays(tree, found)
    return tree, tuple(_place_of(start, *each) for start, each in zip(starts, found, strict=True))


def _place_of(start: int, dtype: str, shape: list[int], order: list[int], name: str) -> ArrayPlace:
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    laid = tuple(shape[each] for each in order)
    return ArrayPlace(start, math.prod(laid), np.dtype(dtype), laid, None if back == tuple(range(len(order))) else back, name)


def _find_arrays(tree: Any, found: list[Any]) -> None:
    ((kind, value),) = tree.items()
    if kind == "a":
        found.append(value)
    for each in value if kind in "tl" else value.values() if kind == "d" else ():
        _find_arrays(each, found)


def _array(held: memoryview, begin: int, place: ArrayPlace) -> Any:
    found: np.ndarray = np.frombuffer(held, place.dtype, place.numbers, begin + place.start).copy().reshape(place.laid)
    if place.torch_type == "scalar":
        return found[()]
    if not place.torch_type:
        return found if place.back is None else found.transpose(place.back)
    made = torch.from_numpy(found)
    dtype = getattr(torch, place.torch_type)
    made = made.view(dtype) if dtype in WORDS else made
    return made if place.back is None else made.permute(place.back)


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
