"""What is to be in every part in the same proportion: classes, tenths of numbers, labels; and whether groups are kept whole meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trainwright.data.splits.base import RowsToDivide
from trainwright.data.splits.groups import deal_groups
from trainwright.data.splits.labels import labels_of, stratify_labels
from trainwright.data.splits.strata import deal_folds, joint_strata, spread


def evened_columns(rows: RowsToDivide) -> list[str]:
    """The columns whose values are to be alike everywhere where nobody says which: targets that are classes or label sets."""
    return [name for name in rows.targets if rows.kinds.get(name) in ("binary", "category", "set")]


@dataclass
class Even:
    """Rows by what each holds of it: one stratum a row, or pairs of row and label."""

    total: int
    strata: np.ndarray
    """int64 per row; all 0 where nothing is to be spread."""
    pairs: tuple[np.ndarray, np.ndarray] | None = None
    """Rows and codes of labels, instead."""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, rows: RowsToDivide, columns: Sequence[str]) -> Even:
        """By the values of some columns together; a column of label sets makes all of them labels."""
        total = len(rows.numbers)
        if not any(rows.kinds.get(name) == "set" for name in columns):
            strata, notes = joint_strata(rows, columns)
            return cls(total, strata, notes=notes)
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        first = 0
        for name in columns:
            found = labels_of(rows.column(name)) if rows.kinds.get(name) == "set" else (np.arange(total), rows.strata(name))
            pairs.append((found[0], found[1] + first))
            first += int(found[1].max(initial=-1)) + 1
        joined = np.concatenate([each[0] for each in pairs]), np.concatenate([each[1] for each in pairs])
        return cls(total, np.zeros(total, np.int64), joined)

    def take(self, chosen: np.ndarray) -> Even:
        """Of some of the rows (bool per row)."""
        if self.pairs is None:
            return Even(int(chosen.sum()), self.strata[chosen])
        place = np.cumsum(chosen) - 1
        there = chosen[self.pairs[0]]
        return Even(int(chosen.sum()), self.strata[chosen], (place[self.pairs[0][there]], self.pairs[1][there]))

    def divide(self, shares: Sequence[float], generator: np.random.Generator, groups: np.ndarray | None = None) -> np.ndarray:
        """The part of each row; `groups`: int64 per row, rows of one group are in one part."""
        if groups is not None:
            rows, codes = self.pairs or (np.arange(self.total), self.strata)
            return deal_groups(groups, rows, codes, shares, generator)
        if self.pairs is not None:
            return stratify_labels(*self.pairs, self.total, shares, generator)
        return spread(self.strata, shares, generator)

    def folds(self, count: int, generator: np.random.Generator, groups: np.ndarray | None = None) -> np.ndarray:
        """The fold of each row, of `count` that are as large as they can be alike."""
        if groups is None and self.pairs is None:
            return deal_folds(self.strata, count, generator)
        return self.divide([1 / count] * count, generator, groups)
