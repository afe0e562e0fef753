"""Rows that are ready for the model, addressed by index: tensors in memory, or a map-style dataset."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError

RESIDENT = 32 << 20
"""Bytes of mapped files that batches may have touched before their pages are given back."""

READ_AROUND = 64 << 10
"""Bytes that the system maps around a page that is read."""


@runtime_checkable
class Rows(Protocol):
    """Rows by index, as named blocks whose first dimension is the row."""

    def __len__(self) -> int:
        """How many rows there are."""

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), in that order."""


class TensorRows:
    """Rows held as tensors of equal length; taking a batch is one index-select per block. Raises DataError when lengths differ."""

    def __init__(self, blocks: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        if not blocks:
            raise DataError("there are no tensors to train on")
        lengths = {name: len(block) if block.dim() else 0 for name, block in blocks.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise DataError("the tensors have different numbers of rows", why=listed, fix="the first dimension of every tensor is the row")
        self.blocks = {name: block.to(device) if device is not None else block for name, block in blocks.items()}
        self._pairs = list(self.blocks.items())
        self._length = next(iter(lengths.values()))
        self.device = self._pairs[0][1].device

    def __len__(self) -> int:
        return self._length

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the device of the blocks."""
        if indices.device != self.device:
            indices = indices.to(self.device)
        return {name: block.index_select(0, indices) for name, block in self._pairs}

    def to(self, device: torch.device) -> TensorRows:
        """The same rows on another device; itself when they are there already."""
        return self if device == self.device else TensorRows(self.blocks, device)


class DatasetRows:
    """Rows of a map-style `Dataset`, fetched with `__getitems__` where it has one, joined by `collate` and named by `names`.

    Samples are sequences such as (input, target); a sample that is no sequence counts as one of a single part. `collate`
    is torch's `default_collate` unless given. Raises DataError when a sample cannot be read or joined.
    """

    def __init__(self, dataset: Any, names: Sequence[str], collate: Callable[[list[Any]], Any] | None = None) -> None:
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            kind = type(dataset).__name__
            raise DataError(f"{kind} has no length or cannot be indexed", fix="give a map-style Dataset with __len__ and __getitem__")
        if collate is None:
            from torch.utils.data import default_collate

            collate = default_collate
        self.dataset, self.names, self._collate = dataset, list(names), collate

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), joined on the CPU."""
        numbers = indices.tolist()
        fetch = getattr(self.dataset, "__getitems__", None)
        samples = fetch(numbers) if fetch is not None else [self.dataset[number] for number in numbers]
        try:
            joined = self._collate(samples)
        except (RuntimeError, TypeError) as error:
            fix = "give samples of one shape, or a collate function that pads them"
            raise DataError("the samples of a batch cannot be joined", where=f"rows {_first(numbers)}", why=str(error), fix=fix) from error
        parts = list(joined) if isinstance(joined, tuple | list) else [joined]
        if len(parts) != len(self.names) or not all(isinstance(part, Tensor) for part in parts):
            found = ", ".join(type(part).__name__ for part in parts)
            raise DataError(f"a sample should be {len(self.names)} tensors or numbers, but holds: {found}", where=f"rows {_first(numbers)}")
        return dict(zip(self.names, parts, strict=True))


def _first(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")


class MappedRows:
    """Some rows of arrays that lie in memory-mapped files: a batch reads its own rows only.

    Pages that were read stay in the page cache but are given back by this process from time to time, so that its own size stays bounded.
    """

    def __init__(self, blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of arrays that must not be written to; these are only read
            self._blocks = {name: torch.from_numpy(block) for name, block in blocks.items()}
        self._positions = torch.from_numpy(positions)
        self._mapped = list(blocks.values())
        self._touched = 0

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows at `indices` (int64, b), on the CPU."""
        rows = self._positions.index_select(0, indices.cpu())
        batch = {name: block.index_select(0, rows) for name, block in self._blocks.items()}
        self._touched += len(rows) * len(self._mapped) * READ_AROUND  # at most: rows far from each other
        if self._touched > RESIDENT:
            self._touched = 0
            for block in self._mapped:
                give_back(block)
        return batch


def give_back(block: np.ndarray) -> None:
    """Drop the pages of a mapped array from this process; it is mapped to be read only, so nothing is lost."""
    if isinstance(block, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        block._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def block_rows(blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> Rows:
    """The rows of encoded blocks at `positions`: copied once when they are in memory, read batch by batch when they are mapped files."""
    if any(isinstance(block, np.memmap) for block in blocks.values()):
        return MappedRows(blocks, positions)
    return TensorRows({name: torch.from_numpy(block[positions]) for name, block in blocks.items()})
