"""Loaders as Lightning's users give them: one, several in lists and mappings, a CombinedLoader; whatever can be gone through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from trainwright.config.errors import ConfigError
from trainwright.data.forms import rows_from
from trainwright.data.passes import reads_once
from trainwright.data.rows import Rows
from trainwright.data.several_rows import LENGTHS, InTurnRows, TogetherRows

NO_LOADERS = (list, tuple, Mapping, Tensor, np.ndarray, str, bytes, type, int, float, bool, type(None))


def is_loader(data: Any) -> bool:
    """Whether a thing may be a loader among several: no collection, and it can be gone through."""
    return not isinstance(data, NO_LOADERS) and hasattr(data, "__iter__")


def is_combined(data: Any) -> bool:
    """Whether data are Lightning's CombinedLoader, by what it offers."""
    return type(data).__name__ == "CombinedLoader" and hasattr(data, "iterables") and hasattr(data, "flattened")


def holds_loaders(data: Any) -> bool:
    """Whether data are several loaders, or one within a list or mapping."""
    if is_combined(data):
        return True
    if not isinstance(data, list | tuple | Mapping):
        return False
    found = list(_leaves(data))
    return bool(found) and all(map(is_loader, found))


def _leaves(data: Any) -> Iterator[Any]:
    inside = data.values() if isinstance(data, Mapping) else data if isinstance(data, list | tuple) else None
    if inside is None:
        yield data
        return
    for each in inside:
        yield from _leaves(each)


def open_loaders(data: Any, split: str, wanted_dtype: Any, **reading: Any) -> Rows:
    """The rows of a split of a LightningModule: those of training loaders at once, those of others in turn, as Lightning has it.

    `reading`: as `rows_from` has it. Raises ConfigError for a mode that Lightning refuses too, DataError for what is no data.
    """
    if not holds_loaders(data):
        return rows_from(data, split, wanted_dtype, **_as_batches(data, reading))
    given, mode = (data.iterables, data._mode) if is_combined(data) else (data, "max_size_cycle" if split == "train" else "sequential")
    leaves = list(_leaves(given))
    parts = [rows_from(each, split, wanted_dtype, **_as_batches(each, reading)) for each in leaves]
    if mode == "sequential" and split != "train":
        return InTurnRows(parts, reading.get("limit")) if len(parts) > 1 else parts[0]
    if mode not in LENGTHS:
        fix = f"one of {', '.join(LENGTHS)}, or torch.utils.data.ConcatDataset"
        raise ConfigError(f"training loaders cannot be combined as '{mode}'", where="CombinedLoader", why="nor can Lightning", fix=fix)
    if not isinstance(given, list | tuple | Mapping):
        return parts[0]
    places = iter(range(len(parts)))
    return TogetherRows(parts, _number_loaders(given, places), mode, reading.get("seed", 0) if split == "train" else 0)


def _as_batches(data: Any, reading: Mapping[str, Any]) -> dict[str, Any]:
    """How one is read: what a loader of a person's own class gives are batches; of what else can be gone through it is looked at."""
    own = is_loader(data) and not isinstance(data, Dataset) and not hasattr(data, "__getitem__") and not reads_once(data)
    known = reading.get("batched")
    return {**reading, "batched": True if own and known is None else known, "ends_epochs": True}


def _number_loaders(structure: Any, places: Iterator[int]) -> Any:
    if isinstance(structure, Mapping):
        return {name: _number_loaders(each, places) for name, each in structure.items()}
    if isinstance(structure, list | tuple):
        return [_number_loaders(each, places) for each in structure]
    return next(places)
