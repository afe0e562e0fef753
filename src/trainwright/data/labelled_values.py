"""Columns in memory that carry labels of their rows, or have no order: read in one order, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from trainwright.config.errors import DataError


def check_rows_agree(columns: Mapping[Any, Any], where: str) -> None:
    """Raises DataError for columns whose rows have labels (a Series, or a mapping such as `frame.to_dict()` gives) that differ."""
    labelled = {str(name): labels for name, value in columns.items() if (labels := labels_of(value)) is not None}
    if not labelled:
        return
    first, expected = next(iter(labelled.items()))
    for name, labels in labelled.items():
        if labels != expected:
            raise DataError(
                f"the rows of '{name}' have other labels than those of '{first}'",
                where=where,
                why="pandas would join them by label, a table of columns joins them by place",
                fix="give a DataFrame, or the values alone: column.to_numpy()",
            )


def labels_of(value: Any) -> list[Any] | None:
    """The labels of the rows of a column, in order; None for one that has none."""
    if isinstance(value, Mapping):
        return list(value)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "index") and not hasattr(value, "columns"):
        return list(value.index) if hasattr(value.index, "tolist") else None
    return None


def ordered_values(name: str, value: Any, where: str) -> Any:
    """A column as it is read row by row: what a mapping holds, what an iterator gives; raises DataError for a set, which has no order."""
    if isinstance(value, AbstractSet):
        fix = "give every column one value per row; the labels of a row as a list"
        raise DataError(f"column '{name}' is a set", where=where, why="a set has no order", fix=fix)
    if isinstance(value, Mapping):
        return list(value.values())
    if hasattr(value, "detach") and not value.shape:  # one number of torch
        return value.item()
    return list(value) if isinstance(value, Iterator) else value
