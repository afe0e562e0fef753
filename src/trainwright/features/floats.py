"""Arrow columns as float64, and the messages for what is not a number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.features.base import Place, plain_place, row_list


def to_floats(values: pa.Array, name: str, rows: np.ndarray, place: Place = plain_place) -> np.ndarray:
    """The values as float64, NaN where missing, perhaps sharing memory; raises DataError naming the rows whose text is no number."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return to_floats(values.dictionary_decode(), name, rows, place)
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif is_text(kind):
        values = parse(values, name, rows, place)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        better = "date" if pa.types.is_temporal(kind) else "vector or timeseries" if is_list(kind) else "category"
        raise DataError(f"column '{name}' holds {kind}, not numbers", fix=f"write `columns.{name}: {better}`, or leave the column out")
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def is_text(kind: pa.DataType) -> bool:
    """Whether an arrow type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether an arrow type is a list of any kind."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def parse(values: pa.Array, name: str, rows: np.ndarray, place: Place) -> pa.Array:
    """Numbers written as text; blank text is missing."""
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        texts = trimmed.to_pylist()
        bad = np.array([text is not None and not is_number(text) for text in texts])
    if not bad.any():
        return pa.array([None if text is None else float(text) for text in texts], pa.float64())
    shown = [texts[i] for i in np.flatnonzero(bad)[:5]]
    raise DataError(
        f"column '{name}' holds text that is not a number: {row_list(rows[bad], place, shown)}",
        why="the column is of type number",
        fix=f"correct these values, write `columns.{name}: category` (or text), or add the word to the missing values of the source",
    )


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
