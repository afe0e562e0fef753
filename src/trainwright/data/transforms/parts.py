"""The tensors within a sample or a batch, of whatever structure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.rows import names_of


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
    # not its length, which a tracer would take for the same in every batch
    return next((tensor.shape[0] for _, tensor in tensors_of(given) if tensor.dim()), None)


def part_names(given: Any) -> list[str]:
    """The names of the parts of a sample or batch: its keys, or `input`, …, `target` by place."""
    if isinstance(given, Mapping):
        return [str(name) for name in given]
    count = len(given) if isinstance(given, tuple | list) else 1
    return names_of(count) if count > 1 else ["input"]


def change_part(given: Any, name: str, change: Callable[[Any], Any], where: str) -> Any:
    """A sample or batch with one part changed, or `all` of it. Raises DataError, with the names there are, for a part that it lacks."""
    if name == "all":
        return change(given)
    names = part_names(given)
    if name not in names:
        fix = did_you_mean(name, names) or f"say which: of: {names[0]}, or of: all"
        raise DataError(f"the samples have no part '{name}'", where=where, why=f"they have {', '.join(names)}", fix=fix)
    if isinstance(given, Mapping):
        return {**given, name: change(given[name])}
    if not isinstance(given, tuple | list):
        return change(given)
    changed = [change(each) if part == name else each for part, each in zip(names, given, strict=True)]
    return type(given)(*changed) if hasattr(given, "_fields") else type(given)(changed)
