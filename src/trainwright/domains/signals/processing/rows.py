"""What acts along time only: any leading dimensions as rows, in a type that holds its digits, some rows after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError

AT_ONCE = 1 << 18
"""Samples that a CPU works on at once, so that what lies between two products stays in its cache."""


def over_rows(function: Callable[[Tensor], Tensor], x: Tensor, name: str) -> Tensor:
    """A function of `(rows, time)`, which may change time, over `(…, time)`; the type is that of `x`, or float32 for whole numbers.

    Raises DataError, which names the transform, for values that are no numbers.
    """
    rows, kind = rows_of(x, name), working_type(x)
    count = max(AT_ONCE // max(x.shape[-1], 1), 1) if x.device.type == "cpu" else max(len(rows), 1)
    with unrounded(x):
        if not len(rows):
            found = function(rows.new_zeros(1, x.shape[-1], dtype=kind))[:0]
        else:
            found = joined(list(torch.split(rows, count)), lambda each: function(ensure_numbers(each, name).to(kind)))
    return found.reshape(*x.shape[:-1], found.shape[-1]).to(given_type(x))


def joined(pieces: list[Tensor], function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of pieces of rows, its results one after the other: each put in its place while it is in the cache."""
    first = function(pieces[0])
    if len(pieces) == 1:
        return first
    if first.requires_grad:
        return torch.cat([first, *map(function, pieces[1:])])
    found = first.new_empty(sum(map(len, pieces)), *first.shape[1:])
    found[: len(first)] = first
    place = len(first)
    for each in pieces[1:]:
        found[place : place + len(each)] = function(each)
        place += len(each)
    return found


def rows_of(x: Tensor, name: str) -> Tensor:
    """`(rows, time)`. Raises DataError for what has no time, and for complex numbers."""
    if not x.dim() or x.is_complex():
        raise DataError(f"{name} is given {'a single number' if not x.dim() else 'complex numbers'}", fix="give it real numbers (…, time)")
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def ensure_numbers(x: Tensor, name: str) -> Tensor:
    """`x` itself. Raises DataError for values that are no numbers, one of which would become of all that a filter reaches."""
    if x.is_floating_point() and not bool(torch.isfinite(x.detach().sum(dtype=working_type(x)))):
        why = "one of them would become of the whole channel"
        raise DataError(f"{name} is given values that are no numbers", why=why, fix="unreadable: repair fills them in where they are read")
    return x


def working_type(x: Tensor) -> torch.dtype:
    """The type in which `x` is computed: float64 stays, the rest is float32 but where products of it may be rounded to three digits."""
    if x.dtype == torch.float64 or x.device.type in ("cuda", "xpu"):  # TF32
        return torch.float64
    return torch.float32


def given_type(x: Tensor) -> torch.dtype:
    """The type of what is made of `x`: its own, or float32 where it holds whole numbers."""
    return x.dtype if x.is_floating_point() else torch.float32


def unrounded(x: Tensor) -> Any:
    """A context without automatic half precision, which has three digits too."""
    return torch.autocast(x.device.type, enabled=False)
