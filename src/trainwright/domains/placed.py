"""Predictions put back among the rows that were given, some of which could not be answered."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def place_rows(table: pa.Table, places: np.ndarray, given: int) -> pa.Table:
    """A row for each that was given: those at `places` in order, the others null."""
    if len(places) == given:
        return table
    at = np.full(given, -1, np.int64)
    at[places] = np.arange(len(places))
    return table.take(pa.array(at, mask=at < 0))
