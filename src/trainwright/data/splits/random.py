"""Rows at random."""

from __future__ import annotations

import numpy as np

from trainwright.data.splits import FractionOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, counts_of, not_empty


class RandomSplit:
    """Every row has the same chance; the sizes are exact."""

    def __init__(self, options: FractionOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        order = rows.generator.permutation(len(rows.numbers))
        part = np.empty(len(order), np.int64)
        part[order] = np.repeat(np.arange(3), counts_of(len(order), self.options.shares))
        split = assemble_split(rows.numbers, part, "random")
        return not_empty(split, self.options.shares, f"a share of {len(order)} rows")
