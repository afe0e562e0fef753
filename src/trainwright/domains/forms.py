"""Rows in the form of a program of Python, and predictions in the form that the rows had: a frame, one record, a list of records."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Columns: TypeAlias = "pa.Table | dict[str, np.ndarray]"
"""Predictions by name, one entry a row: a table, or arrays of any shape."""


def as_given(columns: Columns, data: Any) -> Any:
    """Predictions for a frame as a frame of its library, for one record as one and for a list of records as one; others as they are."""
    module = type(data).__module__.partition(".")[0]
    if module == "pandas":
        return _as_pandas(columns, data)
    if module == "polars":
        return _as_polars(columns)
    if is_record(data):
        return records_of(columns)[0]
    return records_of(columns) if are_records(data) else columns


def is_record(data: Any) -> bool:
    """Whether data are one row by the names of its columns: a mapping with at least one single value."""
    return isinstance(data, Mapping) and any(is_single(value) for value in data.values())


def are_records(data: Any) -> bool:
    """Whether data are a list of rows, each a mapping by the names of columns."""
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(each, Mapping) for each in data)


def are_paths(data: Any) -> bool:
    """Whether data are a list of the names of files."""
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(each, str | os.PathLike) for each in data)


def is_single(value: Any) -> bool:
    """Whether a value is one value rather than several."""
    several = hasattr(value, "__len__") or hasattr(value, "__next__")
    return value is None or isinstance(value, str | bytes) or not several or (hasattr(value, "shape") and not value.shape)


def as_rows(data: Any, several: Collection[str]) -> Any:
    """One record as a list of one, where columns of it hold `several` values in a row; anything else as it is."""
    if not is_record(data):
        return data
    lists = [name for name, value in data.items() if not is_single(value)]
    return [data] if lists and all(str(name) in several for name in lists) else data


def records_of(columns: Columns) -> list[dict[str, Any]]:
    """Each row as a dict: of a table values of Python, of arrays numbers, and an array where a row has several."""
    if isinstance(columns, pa.Table):
        found: list[dict[str, Any]] = columns.to_pylist()
        return found
    count = len(next(iter(columns.values()))) if columns else 0
    return [{name: _value(each[row]) for name, each in columns.items()} for row in range(count)]


def _value(value: Any) -> Any:
    return value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value


def _as_pandas(columns: Columns, data: Any) -> Any:
    """A DataFrame with the index of the rows, for a Series a Series with its name, where predictions fit into one."""
    import pandas

    if isinstance(columns, pa.Table):
        frame = columns.to_pandas()
    elif all(each.ndim == 1 for each in columns.values()):
        frame = pandas.DataFrame(columns)
    else:
        return columns
    if hasattr(data, "columns"):
        frame.index = data.index
        return frame
    return pandas.Series(records_of(columns)[0], name=data.name, dtype=object if frame.dtypes.nunique() > 1 else None)


def _as_polars(columns: Columns) -> Any:
    """A DataFrame of polars, where predictions fit into one."""
    import importlib

    polars = importlib.import_module("polars")  # an extra of the person whose frame it is, with no stubs where it is absent
    if isinstance(columns, pa.Table):
        return polars.from_arrow(columns)
    return polars.DataFrame(columns) if all(each.ndim <= 2 for each in columns.values()) else columns
