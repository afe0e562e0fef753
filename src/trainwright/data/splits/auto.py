"""The split taken when none is named."""

from __future__ import annotations

import numpy as np

from trainwright.data.splits import AutoOptions, StratifiedOptions
from trainwright.data.splits.base import RowsToDivide, Split
from trainwright.data.splits.random import RandomSplit
from trainwright.data.splits.strata import FEWEST
from trainwright.data.splits.stratified import StratifiedSplit


class AutoSplit:
    """Stratified by the targets that are classes (or label sets) when most of their classes have rows enough; else random."""

    def __init__(self, options: AutoOptions) -> None:
        self.options = options

    def divide(self, rows: RowsToDivide) -> Split:
        """Divides the rows."""
        classes = rows.class_targets() or [name for name in rows.targets if rows.kinds.get(name) == "set"][:1]
        rare = [target for target in rows.class_targets() if _mostly_rare(rows, target)]
        if not classes or rare:
            split = RandomSplit(self.options).divide(rows)
            if rare:
                split.notes.append(f"not stratified: most classes of '{rare[0]}' have fewer than {FEWEST} rows")
            return split
        options = StratifiedOptions(validation=self.options.validation, test=self.options.test, columns=classes)
        return StratifiedSplit(options).divide(rows)


def _mostly_rare(rows: RowsToDivide, target: str) -> bool:
    sizes = np.bincount(rows.codes(target)[0])
    return bool((sizes < FEWEST).mean() > 0.5)
