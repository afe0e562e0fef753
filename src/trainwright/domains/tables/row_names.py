"""What names the rows of a source, such as the record of a recording, beside their predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def names_of(source: Any, numbers: np.ndarray | None = None) -> pa.Table | None:
    """The columns by which a source names its rows (`TableSource.named_by`), of the rows `numbers` of it; None where it names none."""
    while source is not None and not hasattr(source, "named_by"):
        source = getattr(source, "source", None)
    if source is None or not source.named_by:
        return None
    found: pa.Table = source.read(numbers, list(source.named_by))
    return found


def with_names(table: pa.Table, names: pa.Table | None) -> pa.Table:
    """Predictions after the names of their rows; a column of predictions that is called as a name is the one that stays."""
    if names is None:
        return table
    first = [name for name in names.column_names if name not in table.column_names]
    return pa.Table.from_arrays([*(names[name] for name in first), *table.columns], names=[*first, *table.column_names])
