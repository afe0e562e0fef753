"""Samples of a person's own dataset: how they are joined, compared, and named when one cannot be read."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.config.own_code import own_line
from trainwright.data.sparse import dense_parts, is_sparse, stack_samples


def joined_samples(samples: list[Any]) -> Any:
    """Samples as one batch, as torch's `default_collate` has it; dataclasses by the names of their fields, sparse tensors as COO."""
    from torch.utils.data import default_collate

    if is_dataclass(samples[0]):
        samples = [{each.name: getattr(sample, each.name) for each in fields(sample)} for sample in samples]
    return _join_sparse(samples) if _holds_sparse(samples[0]) else default_collate(samples)


def _holds_sparse(sample: Any) -> bool:
    """Whether a sample is a sparse tensor, or holds one among its parts."""
    if isinstance(sample, Tensor):
        return is_sparse(sample)
    parts = sample.values() if isinstance(sample, Mapping) else sample if isinstance(sample, tuple | list) else ()
    return any(isinstance(each, Tensor) and is_sparse(each) for each in parts)


def _join_sparse(samples: list[Any]) -> Any:
    """As torch's `default_collate` with sparse tensors, which it leaves to others."""
    from torch.utils.data._utils.collate import collate, default_collate_fn_map

    return collate(samples, collate_fn_map={**default_collate_fn_map, Tensor: _joined_tensors})


def _joined_tensors(samples: list[Tensor], *, collate_fn_map: Any = None) -> Tensor:
    """As torch's `default_collate` joins tensors, and sparse ones too."""
    from torch.utils.data._utils.collate import collate_tensor_fn

    if is_sparse(samples[0]):
        return stack_samples(samples)
    joined: Tensor = collate_tensor_fn(samples, collate_fn_map=collate_fn_map)
    return joined


def alike(one: Any, other: Any, depth: int = 8) -> bool:
    """Whether two samples or batches hold the same; what cannot be compared, or lies deeper, counts as the same."""
    if type(one) is not type(other) or depth == 0:
        return depth == 0
    if isinstance(one, Tensor | np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and _equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(alike(each, other[name], depth - 1) for name, each in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(alike(*pair, depth - 1) for pair in zip(one, other, strict=True))
    if isinstance(one, str | bytes | int | float | complex):
        return one == other or one != one
    return alike(vars(one), vars(other), depth - 1) if hasattr(one, "__dict__") and not callable(one) else True


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and is_sparse(one):
        return one.layout == other.layout and alike(dense_parts(one), dense_parts(other))
    if isinstance(one, Tensor):
        floats = one.is_floating_point() or one.is_complex()
        return bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) if floats else torch.equal(one, other))
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def not_joined(error: BaseException, where: str, fix: str) -> DataError:
    """What a person is told when samples make no batch; `fix` completes `give samples of one shape, or`."""
    fix = f"give samples of one shape, or {fix}"
    return DataError("the samples of a batch cannot be joined", where=where, why=own_words(error), fix=fix)


def other_sample(dataset: Any) -> str:
    """Why a run cannot be resumed exactly when a dataset gives another sample for the same row and seed."""
    return f"{type(dataset).__name__} gives another sample when a row is read twice with the same seed: it keeps randomness of its own"


def fetches_in_bulk(dataset: Any) -> bool:
    """Whether a dataset fetches a whole batch at once; torch's Subset always could, but does so only where what it is of does."""
    from torch.utils.data import Subset

    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return hasattr(dataset, "__getitems__")


def unreadable(numbers: list[Any], error: BaseException) -> DataError:
    """What a person is told when the dataset fails: the rows, the error's own last line, and where it was raised."""
    rows = f"row {numbers[0]}" if len(numbers) == 1 else f"rows {first_of(numbers)}"
    fix = "leave out the row, or catch the error in the dataset"
    return DataError("a sample cannot be read", where=rows, why=own_words(error), fix=fix)


def own_words(error: BaseException) -> str:
    """The error's own last line, and the line of a person's code that led to it; where there is none, the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    raised = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return traceback.format_exception_only(error)[-1].strip() + (own_line(error) or raised)


def first_of(numbers: list[Any]) -> str:
    """The first five of some rows, for a message."""
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
