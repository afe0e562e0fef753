"""Arrow tables as the rest of the package sees them: few types, missing values as nulls, pieces of a fixed number of rows."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pyarrow as pa

PIECE = 65536
"""Rows of one piece; the same in memory and streamed, so that sums come out bit for bit the same."""


def pandas_later() -> None:
    """Keep pyarrow from importing pandas (0.5 s) at its first conversion, in a process that handles no DataFrame, such as the command line.

    pyarrow looks for pandas in two places, once each: its Python shim and its C++ library. Both are shown an empty module instead.
    `pandas_now` undoes the first; the second only knows what `pandas.NA` and `pandas.NaT` are, which then count as ordinary objects.
    """
    shim = getattr(pa.lib, "_pandas_api", None)
    if shim is None or "pandas" in sys.modules:
        return
    nothing = ModuleType("pandas")
    nothing.__version__ = "0"  # type: ignore[attr-defined]
    sys.modules["pandas"] = nothing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pa.array([1, None])
    finally:
        del sys.modules["pandas"]


def pandas_now() -> None:
    """Let pyarrow see a pandas that it was kept from; called when a DataFrame is at hand."""
    shim = getattr(pa.lib, "_pandas_api", None)
    if shim is not None:
        _ = shim.pd


def plain_type(given: pa.DataType) -> pa.DataType:
    """The type a column is kept as: no dictionaries, no large or fixed variants, times in microseconds UTC."""
    types = pa.types
    if types.is_dictionary(given):
        return plain_type(given.value_type)
    if isinstance(given, pa.BaseExtensionType):
        return plain_type(given.storage_type)
    if types.is_large_string(given) or types.is_string_view(given) or types.is_time(given):
        return pa.string()
    if types.is_timestamp(given):
        return pa.timestamp("us")
    if types.is_date64(given):
        return pa.date32()
    if types.is_decimal(given):
        return pa.float64()
    if types.is_float16(given):
        return pa.float32()
    if types.is_duration(given):
        return pa.int64()
    if types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given):
        return pa.list_(plain_type(given.value_type))
    return given


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with every column's `plain_type`, without metadata."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def plain_column(column: pa.ChunkedArray, nan_is_missing: bool = True) -> pa.ChunkedArray:
    """The column in its plain type; NaN becomes null, because both mean that a number is missing."""
    wanted = plain_type(column.type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if column.type != wanted:
        column = column.cast(wanted, safe=False)
    if nan_is_missing and pa.types.is_floating(wanted):
        column = _nan_as_null(column)
    return column


def _nan_as_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    nan = pc.is_nan(column)
    if not pc.any(nan).as_py():
        return column
    return pc.if_else(nan, pa.nulls(1, column.type)[0], column)


def plain_table(table: pa.Table, nan_is_missing: bool = True) -> pa.Table:
    """The table with every column plain (see `plain_column`)."""
    columns = [plain_column(column, nan_is_missing) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def one_chunk(table: pa.Table) -> pa.Table:
    """The table with one chunk per column, copied column by column."""
    if all(column.num_chunks <= 1 for column in table.columns):
        return table
    with ThreadPoolExecutor() as workers:
        columns = list(workers.map(lambda column: column.combine_chunks(), table.columns))
    return pa.table(dict(zip(table.column_names, columns, strict=True)), schema=table.schema)


def in_pieces(tables: Iterable[pa.Table], rows: int = PIECE) -> Iterator[pa.Table]:
    """The rows of `tables` in order, in tables of `rows` rows (the last one shorter) with one chunk per column."""
    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.num_rows
        if held < rows:
            continue
        joined = pa.concat_tables(waiting)
        whole = held - held % rows
        for start in range(0, whole, rows):
            yield one_chunk(joined.slice(start, rows))
        waiting, held = [joined.slice(whole)], held - whole
    if held:
        yield one_chunk(pa.concat_tables(waiting))


def take_rows(pieces: Iterable[pa.Table], indices: Any, schema: pa.Schema) -> pa.Table:
    """The rows numbered `indices` (any order, repeats allowed) out of pieces read once in order.

    Args:
        pieces: tables that follow one another.
        indices: int64 row numbers, shape `n`.
        schema: of the result, for the case of no rows.
    """
    import numpy as np

    wanted = np.asarray(indices, dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    found: list[pa.Table] = []
    first = taken = 0
    for piece in pieces:
        if taken == len(ordered):
            break
        upto = int(np.searchsorted(ordered, first + piece.num_rows))
        if upto > taken:
            found.append(piece.take(int64_array(ordered[taken:upto] - first)))
        first, taken = first + piece.num_rows, upto
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return pa.concat_tables(found).take(int64_array(back)) if found else schema.empty_table()


def int64_array(values: Any) -> pa.Array:
    """A numpy int64 array as an Arrow array, without a copy and without pyarrow looking for pandas."""
    import numpy as np

    values = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
