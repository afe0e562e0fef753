"""Values of Python as Arrow columns: of one type where they have one, else each as the text that Arrow would write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.data.arrow import plain_type

WRITTEN = pa.struct([("text", pa.string()), ("typed", pa.bool_())])
"""A column of mixed values; see `written_column`."""


def column_of(values: Iterable[Any], as_written: bool = False) -> pa.Array:
    """The values in the type that Arrow finds for them; a mixture, or whole numbers beyond 64 bits, as text (or `as_written`)."""
    held = values if hasattr(values, "__len__") else list(values)
    try:
        return pa.array(held, from_pandas=True)
    except (pa.ArrowException, TypeError, OverflowError):
        return written_column(held) if as_written else text_column(held)


def written_column(values: Iterable[Any]) -> pa.Array:
    """A mixture as a struct of its `text` and whether it was `typed`, which is to say no text: 501 is another thing than `501`."""
    held = list(values)
    typed = [not isinstance(value, str) and not is_missing(value) for value in held]
    return pa.StructArray.from_arrays([text_column(held), pa.array(typed, pa.bool_())], ["text", "typed"])


def is_written(kind: pa.DataType) -> bool:
    """Whether a column is one that `written_column` made."""
    return bool(kind == WRITTEN)


def text_column(values: Iterable[Any]) -> pa.Array:
    """Each value as text, so that none depends on its neighbours: 3 and 3.0 are `3`, True is `true`."""
    return pa.array([text_of(value) for value in values], pa.string())


def text_of(value: Any) -> str | None:
    """One value as text; None where it is missing."""
    if is_missing(value):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return float_text(float(value))
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return _text_by_arrow(value)


def float_text(number: float) -> str:
    """A number as text, whole ones without a fraction."""
    whole = abs(number) < 2**63 and number == int(number)
    return str(int(number)) if whole else str(pa.array([number]).cast(pa.string())[0].as_py())


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or one of pandas' words for it."""
    return value is None or (isinstance(value, float | np.floating) and value != value) or type(value).__name__ in ("NAType", "NaTType")


def _text_by_arrow(value: Any) -> str:
    try:
        array = pa.array([value], from_pandas=True)
        return str(array.cast(plain_type(array.type), safe=False).cast(pa.string())[0].as_py())
    except (pa.ArrowException, TypeError, OverflowError):
        return str(value)
