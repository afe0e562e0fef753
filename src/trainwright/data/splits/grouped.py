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
        everything = np.arange(len(groups))
        part = deal_groups(groups, everything, np.zeros(len(groups), np.int64), self.options.shares, rows.generator)
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


def deal_groups(
    groups: np.ndarray, rows: np.ndarray, codes: np.ndarray, shares: Sequence[float], generator: np.random.Generator
) -> np.ndarray:
    """The part of each row, so that rows of one group are together, and each part has its share of rows and of every code.

    `groups`: int64 per row, numbered without gaps; `rows`, `codes`: pairs of row and class or label. Groups go one after another, those
    that hold the largest share of a code first, each to the part where the squares of what parts lack of the shares of codes and rows sum
    to the least afterwards (for equal parts the variance that scikit-learn's StratifiedGroupKFold looks at). No part with a share stays
    empty.
    """
    weight = np.asarray(shares, np.float64) / sum(shares)
    size = int(groups.max(initial=-1)) + 1
    width = int(codes.max(initial=-1)) + 2  # the last stands for rows, so that sizes are held too
    keys = np.concatenate([groups[rows] * width + codes, groups * width + width - 1])
    found, counts = np.unique(keys, return_counts=True)
    of_group, of_code = found // width, found % width
    total = np.bincount(of_code, counts, minlength=width)
    held = counts / total[of_code]
    begins = np.searchsorted(of_group, np.arange(size + 1))
    most = np.maximum.reduceat(held, begins[:-1])
    order = generator.permutation(size)
    order = order[np.argsort(-most[order], kind="stable")]
    lacking = np.repeat(weight[:, None], width, 1)  # of each part: what it lacks of each code, as a share of all
    part, filled = np.zeros(size, np.int64), np.zeros(len(weight), bool)
    for position, group in enumerate(order):
        its = slice(begins[group], begins[group + 1])
        empty = np.flatnonzero(~filled & (weight > 0))
        choices = empty if len(empty) and size - position <= len(empty) else np.flatnonzero(weight > 0)
        need = lacking[np.ix_(choices, of_code[its])] @ held[its]
        part[group] = choices[np.argmax(np.round(need, 12))]
        lacking[part[group], of_code[its]] -= held[its]
        filled[part[group]] = True
    return part[groups]
