"""Rows of arrays that lie in memory-mapped files."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.data.rows import Rows, TensorRows

READ_AROUND = 64 << 10
"""Bytes that the system maps around a page that is read."""
RESIDENT = 32 << 20
"""Bytes of mapped files that batches may have touched before their pages are given back."""


class MappedRows(Rows):
    """Some rows of arrays that lie in memory-mapped files: a batch reads its own rows only.

    Pages that were read stay in the page cache but are given back by this process from time to time, so that its own size stays bounded.
    """

    mapped = True

    def __init__(self, blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of arrays that must not be written to; these are only read
            self._blocks = {name: torch.from_numpy(block) for name, block in blocks.items()}
        self._positions = torch.from_numpy(positions)
        self._mapped = list(blocks.values())
        self._touched = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the places of the files, so that another process maps them too."""
        places = {name: _place(block) for name, block in zip(self._blocks, self._mapped, strict=True)}
        return _mapped_again, (places, self._positions.numpy())

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


def _place(block: np.ndarray) -> np.ndarray | tuple[Any, ...]:
    """File, type, first byte and shape of a mapped array; the array itself when it is none, or has gaps."""
    if not isinstance(block, np.memmap) or block.filename is None or not block.flags.c_contiguous:
        return np.asarray(block)
    whole = block
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    return str(block.filename), block.dtype, whole.offset + block.ctypes.data - whole.ctypes.data, block.shape


def _mapped_again(places: Mapping[str, np.ndarray | tuple[Any, ...]], positions: np.ndarray) -> MappedRows:
    def map_file(place: np.ndarray | tuple[Any, ...]) -> np.ndarray:
        if isinstance(place, np.ndarray):
            return place
        file, dtype, offset, shape = place
        return np.memmap(file, dtype, mode="r", offset=offset, shape=shape)

    return MappedRows({name: map_file(place) for name, place in places.items()}, positions)


def give_back(block: np.ndarray) -> None:
    """Drop the pages of a mapped array from this process; it is mapped to be read only, so nothing is lost."""
    if isinstance(block, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        block._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def block_rows(blocks: Mapping[str, np.ndarray], positions: np.ndarray) -> Rows:
    """The rows of encoded blocks at `positions`: copied once when they are in memory, read batch by batch when they are mapped files."""
    if any(isinstance(block, np.memmap) for block in blocks.values()):
        return MappedRows(blocks, positions)
    return TensorRows({name: torch.from_numpy(block[positions]) for name, block in blocks.items()})
