"""Rows of one group stay together."""

from __future__ import annotations

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.splits import GroupedOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, ensure_some_values, shown_parts
from trainwright.data.splits.even import Even, evened_columns
from trainwright.data.splits.groups import groups_of


class GroupedSplit:
    """Groups go to the split that lacks the most of their classes or labels, and of rows; a row without a group is one of its own."""

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
        evened = self.options.columns or evened_columns(rows)
        part = Even.of(rows, evened).divide(self.options.shares, rows.generator, groups)
        alone = int(absent.sum())
        notes = [f"{len(sizes) - alone:,} groups in '{self.options.column}'"]
        if alone:
            notes.append(f"{alone:,} rows have no group in '{self.options.column}': each is one of its own, {shown_parts(part[absent])}")
        method = f"grouped by {self.options.column}" + (f", stratified by {', '.join(evened)}" if evened else "")
        return assemble_split(rows.numbers, part, method, notes)
