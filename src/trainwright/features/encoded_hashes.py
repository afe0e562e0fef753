"""A number for each encoded row, equal for rows that are the same to the model, however their values were written."""

from __future__ import annotations

import numpy as np

from trainwright.data.hashing import Hashes, mix, value_hashes
from trainwright.features.encoding import EncodedTable
from trainwright.features.row_weights import ROW_WEIGHT

PIECE = 1 << 16
"""Rows that are looked at together."""


def encoded_hashes(table: EncodedTable) -> Hashes:
    """uint64 [rows], from inputs and targets; of lazy columns from what their rows are decoded from."""
    total = np.zeros(len(table.rows), np.uint64)
    for name in sorted(each for each in table.blocks if each != ROW_WEIGHT):
        total = mix(total + _block_hashes(table.blocks[name]))
    for name in sorted(table.references):
        total = mix(total + value_hashes(table.references[name].places))
    return total


def _block_hashes(block: np.ndarray) -> Hashes:
    """A weighted sum of the bytes of every row."""
    width = int(np.prod(block.shape[1:], dtype=np.int64)) * block.dtype.itemsize
    factors = np.random.default_rng(0).integers(0, np.iinfo(np.uint64).max, width, np.uint64)
    found = np.zeros(len(block), np.uint64)
    for start in range(0, len(block), PIECE):
        piece = np.ascontiguousarray(block[start : start + PIECE])
        found[start : start + PIECE] = piece.view(np.uint8).reshape(len(piece), width).astype(np.uint64) @ factors
    return found
