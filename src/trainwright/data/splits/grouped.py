"""Rows of one group stay together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.splits import GroupedOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, ensure_some_values, shown_parts


class GroupedSplit:
    """Groups, the largest first, go to the split that lacks the most rows; a row without a group is a group of its own."""

    def __init__(self, options: GroupedOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        groups, absent = groups_of(rows, self.options.column)
        ensure_some_values(int((~absent).sum()), self.options.column)
        sizes = np.bincount(groups)
        wanted = sum(share > 0 for share in self.options.shares)
        if len(sizes) < wanted:
            raise DataError(
                f"'{self.options.column}' has {len(sizes)} groups, too few for {wanted} splits",
                where="data.split",
                fix="choose another column or split",
            )
        part = deal(sizes, self.options.shares, rows.generator)[groups]
        alone = int(absent.sum())
        notes = [f"{len(sizes) - alone:,} groups in '{self.options.column}'"]
        if alone:
            notes.append(f"{alone:,} rows have no group in '{self.options.column}': each is one of its own, {shown_parts(part[absent])}")
        return assemble_split(rows.numbers, part, f"grouped by {self.options.column}", notes)


def groups_of(rows: RowsToDivide, column: str) -> tuple[np.ndarray, np.ndarray]:
    """int64 group of each row, numbered without gaps, and which rows have none and so are alone (bool, n)."""
    values = rows.column(column)
    groups = rows.codes(column)[0]
    absent = values.is_null(nan_is_null=True).to_numpy()
    groups = np.where(absent, groups.max(initial=0) + 1 + np.cumsum(absent), groups)
    return np.unique(groups, return_inverse=True)[1], absent


def deal(sizes: np.ndarray, shares: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    """The part of each group: largest groups first, each to the part that lacks the most rows; no part with a share stays empty."""
    wanted = np.asarray(shares) * sizes.sum()
    order = generator.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part = np.zeros(len(sizes), np.int64)
    given = np.zeros(len(shares))
    for position, group in enumerate(order):
        empty = np.flatnonzero((given == 0) & (wanted > 0))
        choices = empty if len(empty) and len(order) - position <= len(empty) else np.arange(len(shares))
        part[group] = choices[np.argmax((wanted - given)[choices])]
        given[part[group]] += sizes[group]
    return part
