"""Arrow columns as float64, and the messages for what is not a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.number_facts import offer_for
from trainwright.features.base import Place, plain_place, row_list

WRITTEN = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|inf(inity)?|nan)", re.IGNORECASE)


def to_floats(values: pa.Array, name: str, rows: np.ndarray, place: Place = plain_place, lenient: bool = False) -> np.ndarray:
    """The values as float64, NaN where missing, perhaps sharing memory; text that is no number is NaN if `lenient`, else a DataError."""
    kind, given = values.type, values
    if pa.types.is_dictionary(kind):
        return to_floats(values.dictionary_decode(), name, rows, place, lenient)
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif is_text(kind):
        values, bad = parse(values)
        if bad is not None and not lenient:
            raise DataError(
                f"column '{name}' holds text that is not a number: {row_list(rows[bad], place, texts_at(given, bad))}",
                why="the column is of type number",
                fix=text_fix(name, texts=texts_at(given, bad), mostly=2 * int(bad.sum()) > len(bad)),
            ).of_rows(f"column '{name}' holds text that is not a number", rows[bad], texts_at(given, bad, len(bad)))
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        better = "date" if pa.types.is_temporal(kind) else "vector or timeseries" if is_list(kind) else "category"
        raise DataError(f"column '{name}' holds {kind}, not numbers", fix=f"write columns.{name}={better}, or columns.{name}=ignore")
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def is_text(kind: pa.DataType) -> bool:
    """Whether an arrow type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether an arrow type is a list of any kind."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def parse(values: pa.Array) -> tuple[pa.Array, np.ndarray | None]:
    """Numbers written as text, null where blank or no number; and which texts are no number, as a boolean array, or None when none is."""
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    try:
        return trimmed.cast(pa.float64()), None
    except pa.ArrowInvalid:
        numbers = [None if text is None else number_of(text) for text in trimmed.to_pylist()]
    bad = np.array([isinstance(number, str) for number in numbers])
    return pa.array([None if isinstance(number, str) else number for number in numbers], pa.float64()), bad if bad.any() else None


def number_of(text: str) -> float | str:
    """The number written in the text in ASCII, or the text itself: Python alone would also take 1_000 and the digits of any script."""
    return float(text) if WRITTEN.fullmatch(text) else text


def texts_at(values: pa.Array, places: np.ndarray, limit: int = 5) -> list[str]:
    """The first texts at the places of a boolean array, without blanks around them."""
    return [text.strip() for text in values.take(pa.array(np.flatnonzero(places)[:limit])).to_pylist()]


def invalid_count(values: pa.Array) -> int:
    """How many of the values are text that is not a number."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    bad = parse(values)[1] if is_text(values.type) else None
    return 0 if bad is None else int(bad.sum())


def text_fix(name: str, target: bool = False, texts: Sequence[str] = (), mostly: bool = False) -> str:
    """What can be done about text in a number column, as it is typed; `mostly`: most values are such text, and none count as missing."""
    out = "" if target else f"; or leave the column out: columns.{name}=ignore"
    if line := offer_for(name, texts):
        return f"they may be numbers written otherwise: {line} reads them{out}"
    missing = "" if mostly else f", or count them as missing: columns.{name}.invalid=missing"
    return f"correct them{missing}; or choose another type: columns.{name}=category{out}"


def infinite(name: str, listed: str, target: bool = False, where: str = "", count: int = 0) -> DataError:
    """The error for infinite values in the rows listed."""
    out = "" if target else f"; or leave the column out: ignore=[{name}]"
    return DataError(
        f"column '{name}' has {f'{count:,} ' if count > 1 else ''}infinite values: {listed}",
        where=where,
        fix=f"correct them, or count them as missing: columns.{name}.infinity=missing{out}",
    )


def too_large(name: str, largest: float, target: bool = False, where: str = "", listed: str = "") -> DataError:
    """The error for numbers whose squares are beyond float64, so that they have no standard deviation."""
    return DataError(
        f"column '{name}' has values too large to be scaled, up to {largest:g}{f': {listed}' if listed else ''}",
        where=where,
        fix="correct them, or choose another target" if target else f"correct them, or leave the column out: ignore=[{name}]",
    )
