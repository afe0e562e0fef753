"""A column says which split a row belongs to."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.splits import ColumnOptions
from trainwright.data.splits.base import NAMES, RowsToDivide, Split, assemble_split, ensure_some_values
from trainwright.data.splits.groups import groups_of, refuse_divided
from trainwright.data.splits.strata import joint_strata, spread


class ColumnSplit:
    """Reads the split of each row from a column; its values are compared as text, case aside."""

    def __init__(self, options: ColumnOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        codes, names = rows.codes(self.options.column)
        meaning = {_fold(value): part for part, name in enumerate(NAMES) for value in getattr(self.options, name)}
        parts = np.array([meaning.get(_fold(name), -1) for name in names], np.int64)
        part = parts[codes]
        if (part < 0).any():
            strange = [name for name, number in zip(names, parts, strict=True) if number < 0]
            first = rows.source.place(int(rows.numbers[np.flatnonzero(part < 0)[0]]))
            raise DataError(
                f"'{self.options.column}' has values that name no split: {', '.join(strange[:5])}",
                where="data.split",
                why=f"{int((part < 0).sum())} rows, the first is {first}",
                fix="say what they mean: data.split={type: column, column: …, train: [a], validation: [b], test: [c]}",
            )
        if column := self.options.groups:
            groups, absent = groups_of(rows, column)
            ensure_some_values(int((~absent).sum()), column)
            refuse_divided(rows, self.options.column, column, part, groups, "splits", "correct the column, or split by groups: grouped")
        notes = self._share_training(rows, part)
        by = f", grouped by {self.options.groups}" if self.options.groups else ""
        return assemble_split(rows.numbers, part, f"by column {self.options.column}{by}", notes)

    def _share_training(self, rows: RowsToDivide, part: np.ndarray) -> list[str]:
        """Put a share of the training rows into validation where no row is there; what is said of it."""
        if not self.options.share or (part == 1).any():
            return []
        inside = np.flatnonzero(part == 0)
        strata, notes = joint_strata(rows, rows.class_targets())
        part[inside] = spread(strata[inside], [1 - self.options.share, self.options.share, 0.0], rows.generator)
        return [*notes, f"'{self.options.column}' names no validation rows: a share of the training rows picks the best epoch"]


def _fold(value: object) -> str:
    text = str(value).strip().lower()
    return text[:-2] if text.endswith(".0") else text
