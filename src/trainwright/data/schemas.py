"""Several files or tables as one: the columns they share, and the types that fit all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from trainwright.data.diagnosis import other_columns


def common_schema(schemas: Sequence[pa.Schema], names: Sequence[str]) -> pa.Schema:
    """The first schema's columns, each with a type that holds the values of all; raises DataError when a file's columns differ."""
    for schema, name in zip(schemas[1:], names[1:], strict=True):
        other_columns(names[0], schemas[0].names, name, schema.names)
    return pa.schema([(column, common_type([schema.field(column).type for schema in schemas])) for column in schemas[0].names])


def common_type(types: Sequence[pa.DataType]) -> pa.DataType:
    """The narrowest type that holds the values of all: numbers widen, dates become times, anything else becomes text."""
    known = list(dict.fromkeys(kind for kind in types if not pa.types.is_null(kind)))
    if len(known) < 2:
        return known[0] if known else pa.null()
    if all(pa.types.is_integer(kind) for kind in known):
        return pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in known):
        return pa.float64()
    if all(pa.types.is_date(kind) or pa.types.is_timestamp(kind) for kind in known):
        return pa.timestamp("us")
    if all(pa.types.is_list(kind) for kind in known):
        return pa.list_(common_type([kind.value_type for kind in known]))
    return pa.string()


def fit_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns, order and types of `schema`."""
    table = table.select(schema.names)
    return table if table.schema.equals(schema) else table.cast(schema, safe=False)
