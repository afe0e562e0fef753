"""One of k folds is the test."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.splits import KFoldOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, not_empty, shown_parts
from trainwright.data.splits.stratified import joint_strata, spread


class KFoldSplit:
    """The same seed makes the same folds, so runs with `fold` 0 … k − 1 test every row once."""

    def __init__(self, options: KFoldOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        strata, notes = joint_strata(rows, rows.class_targets())
        tested, method = self._by_column(rows) if self.options.column else self._make(rows, strata)
        part = np.full(len(tested), 2)
        shares = (1 - self.options.validation, self.options.validation)
        part[~tested] = spread(strata[~tested], shares, rows.generator)
        if self.options.column and (absent := rows.column(self.options.column).is_null(nan_is_null=True).to_numpy()).any():
            column = self.options.column
            notes = [*notes, f"{int(absent.sum()):,} rows have no fold in '{column}' and are never tested: {shown_parts(part[absent])}"]
        split = assemble_split(rows.numbers, part, method, notes)
        return not_empty(split, (*shares, 1), f"{int((~tested).sum())} rows outside the test fold")

    def _make(self, rows: RowsToDivide, strata: np.ndarray) -> tuple[np.ndarray, str]:
        count, fold = self.options.folds, self.options.fold
        if not isinstance(fold, int) or not 0 <= fold < count:
            raise DataError(f"there is no fold {fold!r}", where="data.split.fold", fix=f"a number from 0 to {count - 1}")
        if count > len(rows.numbers):
            raise DataError(f"{len(rows.numbers)} rows cannot make {count} folds", where="data.split.folds", fix="fewer folds")
        return deal_folds(strata, count, rows.generator) == fold, f"fold {fold} of {count}"

    def _by_column(self, rows: RowsToDivide) -> tuple[np.ndarray, str]:
        column = self.options.column or ""
        codes, names = rows.codes(column)
        wanted = str(self.options.fold)
        names = names[: len(names) - (1 if rows.column(column).null_count else 0)]  # rows without a fold are no fold
        if wanted not in names:
            raise DataError(
                f"no row has fold '{wanted}' in '{column}'", where="data.split.fold", fix=f"one of {', '.join(sorted(names)[:12])}"
            )
        return codes == names.index(wanted), f"fold {wanted} of column {column}"


def deal_folds(strata: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """The fold of each row: rows shuffled within their stratum, strata one after the other, dealt round."""
    shuffled = generator.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    fold = np.empty(len(strata), np.int64)
    fold[order] = np.arange(len(strata)) % count
    return fold
