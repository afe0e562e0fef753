"""The tensors within a sample or a batch, of whatever structure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def tensors_of(given: Any) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of a tensor, and of those in mappings, tuples and lists, by their keys and places."""
    if isinstance(given, Tensor):
        yield "", given
        return
    inside: Any = given.items() if isinstance(given, Mapping) else enumerate(given) if isinstance(given, tuple | list) else ()
    for key, each in inside:
        for name, tensor in tensors_of(each):
            yield f"{key}.{name}" if name else str(key), tensor


def device_of(given: Any) -> torch.device:
    """Where the first tensor of a sample or batch lies; the CPU where there is none."""
    return next((tensor.device for _, tensor in tensors_of(given)), torch.device("cpu"))


def rows_of(given: Any) -> int | None:
    """The rows of a batch, by the first dimension of its first tensor; None where there is none."""
    return next((len(tensor) for _, tensor in tensors_of(given) if tensor.dim()), None)
