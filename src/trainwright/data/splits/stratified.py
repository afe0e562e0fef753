"""Each class in every split in the same proportion."""

from __future__ import annotations

from trainwright.data.splits import StratifiedOptions
from trainwright.data.splits.base import RowsToDivide, Split, assemble_split, not_empty
from trainwright.data.splits.even import Even


class StratifiedSplit:
    """Classes are spread by largest remainder; what one rounds away is given to the next, so that sizes and proportions both hold."""

    def __init__(self, options: StratifiedOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        columns = self.options.columns or rows.targets
        even = Even.of(rows, columns)
        part = even.divide(self.options.shares, rows.generator)
        split = assemble_split(rows.numbers, part, f"stratified by {', '.join(columns)}", even.notes)
        return not_empty(split, self.options.shares, f"a share of {len(part)} rows")
