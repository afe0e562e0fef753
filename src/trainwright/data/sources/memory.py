"""Objects in memory as Arrow tables: a pandas DataFrame, an Arrow table, a mapping of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.arrow import pandas_now
from trainwright.data.labelled_values import check_rows_agree, ordered_values
from trainwright.data.python_values import column_of
from trainwright.data.row_index import index_columns, levels_of, without_index
from trainwright.data.source import check_names

WHERE = "the given table"


def table_of(data: Any, as_written: bool = False) -> pa.Table:
    """The rows of an object as an Arrow table; mixed columns become text, or with `as_written` keep apart what was text.

    Raises DataError when it is no table, has no rows, or columns of unequal length.
    """
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        check_names(data.column_names, WHERE)
        table = data.select(without_index(data.schema, ())[0])
    elif type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        table = _from_pandas(data, as_written)
    elif isinstance(data, Mapping) or _is_pandas_row(data):
        table = _from_columns(dict(data.items()), as_written)
    elif isinstance(data, list | tuple) and data and all(isinstance(each, Mapping) for each in data):
        names = dict.fromkeys(name for each in data for name in each)
        table = _from_columns({name: [each.get(name) for each in data] for name in names}, as_written)
    elif hasattr(data, "__arrow_c_stream__") and (hasattr(data, "columns") or hasattr(data, "schema")):
        table = pa.table(data)
    else:
        raise DataError(
            f"data of type {type(data).__name__} is not a table",
            where=WHERE,
            fix="give a pandas DataFrame, a pyarrow Table, a dict of arrays, one row as a dict of values, a list of such rows, or a path",
        )
    if not table.num_columns or not table.num_rows:
        raise DataError("the table has no rows" if table.num_columns else "the table has no columns", where=WHERE)
    return table


def index_of(data: Any) -> pa.Table | None:
    """The row index of a DataFrame, or of an Arrow table that was made from one, as a table; None where it has none."""
    if isinstance(data, pa.RecordBatch | pa.Table):
        left_out = index_columns(data.schema)
        return pa.table(data.select(left_out).to_pydict()) if left_out else None
    if type(data).__module__.partition(".")[0] != "pandas" or not hasattr(data, "columns"):
        return None
    levels = {name: _column(name, values, False) for name, values in levels_of(data).items()}
    return pa.table(levels) if levels else None


def _from_pandas(frame: Any, as_written: bool) -> pa.Table:
    pandas_now()
    names = [str(name) for name in frame.columns]
    check_names(names, WHERE)
    columns = [_column(names[position], frame.iloc[:, position], as_written) for position in range(len(names))]
    return pa.Table.from_arrays(columns, names=names)


def _is_pandas_row(data: Any) -> bool:
    """Whether data are a row of a DataFrame: a Series whose index names the columns."""
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "items") and not hasattr(data, "columns")


def _is_single(value: Any) -> bool:
    """Whether a value is one value rather than a column of them."""
    return value is None or isinstance(value, str | bytes) or not hasattr(value, "__len__") or (hasattr(value, "shape") and not value.shape)


def _from_columns(given: Mapping[Any, Any], as_written: bool) -> pa.Table:
    check_rows_agree(given, WHERE)
    columns = {name: ordered_values(str(name), value, WHERE) for name, value in given.items()}
    if columns and all(_is_single(value) for value in columns.values()):
        columns = {name: [value] for name, value in columns.items()}
    single = next((name for name, value in columns.items() if _is_single(value)), None)
    if single is not None:
        why = f"it is one {type(columns[single]).__name__}, while other columns hold several values"
        raise DataError(f"column '{single}' is no column", where=WHERE, why=why, fix="give every column one value per row")
    lengths = {str(name): len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' {length}" for name, length in list(lengths.items())[:8])
        raise DataError("columns of different lengths", where=WHERE, why=listed, fix="give every column one value per row")
    check_names(list(lengths), WHERE)
    return pa.Table.from_arrays([_column(str(name), values, as_written) for name, values in columns.items()], names=list(lengths))


def _column(name: str, values: Any, as_written: bool) -> pa.Array:
    """One column; an object column of mixed values becomes text, a two-dimensional array a list per row."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu().numpy()
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return _rows_of(values)
    if isinstance(values, list | tuple):
        values = [value.tolist() if hasattr(value, "detach") else value for value in values]  # tensors, one by one
    try:
        return column_of(values, as_written)
    except (TypeError, ValueError) as error:
        raise DataError(f"column '{name}' cannot be read as values", where=WHERE, why=str(error)) from error


def _rows_of(values: np.ndarray) -> pa.Array:
    flat = values.reshape(len(values), -1)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(flat).reshape(-1)), flat.shape[1])
