"""Blocks of a system of one's own: arrays of numbers, of one shape for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import Told
from trainwright.deploy.host.readers import ColumnReader, Parts
from trainwright.features.floats import number_of


class BlockReader(ColumnReader):
    """`[b, …]` of the dtype that the graph takes."""

    takes = (list, int, float, bool, str)

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.shape: list[int | None] = [None if each is None else int(each) for each in column.option("shape", [])]
        sizes = ", ".join("any" if each is None else str(each) for each in self.shape)
        self.wanted = f"an array of shape ({sizes})" if self.shape else "a number"
        self.such = "[1.5, 2, …]" if self.shape else "1.5"
        self.dtype = np.dtype(column.kind if column.kind != "bfloat16" else "float32")

    @property
    def fix(self) -> str:
        return f"send {self.wanted}, as {self.such}"

    def quick(self, written: Sequence[Any], told: Told) -> Parts | None:
        return self._parts(written, np.arange(len(written)), told)

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        return self._parts(values.to_pylist(), rows, told)

    def _parts(self, values: Sequence[Any], rows: np.ndarray, told: Told) -> Parts:
        """One array of all rows, as large as the first that can be read; zeros stand for a fault, whose row is left out."""
        found = [self._array(value, int(row), told) for value, row in zip(values, rows, strict=True)]
        shape = next((each.shape for each in found if each is not None), tuple(size or 1 for size in self.shape))
        for at, each in enumerate(found):
            if each is not None and each.shape != shape:
                what = f"{{}} is the shape of this row, and {shape} that of another"
                told.refuse(self.name, [int(rows[at])], [each.shape], what, fix="send rows of one shape in one request")
                found[at] = None
        nothing = np.zeros(shape, self.dtype)
        return {"": np.stack([nothing if each is None else each for each in found])}

    def _array(self, value: Any, row: int, told: Told) -> np.ndarray | None:
        try:
            array = np.asarray(_numbers(value), np.float64 if self.dtype.kind == "f" else None)
        except (ValueError, TypeError, OverflowError):
            array = np.array(None)
        fits = array.dtype.kind in "fiub" and array.ndim == len(self.shape) and np.isfinite(array).all()
        if fits and all(size in (None, there) for size, there in zip(self.shape, array.shape, strict=True)) and self._holds(array):
            return array.astype(self.dtype)
        told.refuse(self.name, [row], [value], f"{{}} is not {self.wanted}", fix=self.fix)
        return None

    def _holds(self, array: np.ndarray) -> bool:
        """Whether the numbers are of the dtype: no fractions among whole ones, and none beyond its range."""
        if self.dtype.kind == "f":
            return bool((np.abs(array) <= np.finfo(self.dtype).max).all())
        return bool((array.astype(self.dtype) == array).all()) if self.dtype.kind in "iu" else array.dtype.kind == "b"


def _numbers(value: Any) -> Any:
    """A text as its numbers, between blanks or commas, as a table in text has them; anything else as it is."""
    if not isinstance(value, str):
        return value
    found = [number_of(each) for each in value.strip("[]() ").replace(",", " ").split()]
    return found[0] if len(found) == 1 else found
