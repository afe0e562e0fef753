"""What a domain is told of a finished run, so that it can say in the report what it knows of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from trainwright.metrics.outcome import Outcome


@dataclass(frozen=True)
class RunFacts:
    """A run of columns: where it is, what its columns are, and what was predicted of the rows that it is measured on."""

    folder: Path
    """The run directory; media that a block names lie in it."""
    columns: Mapping[str, str]
    """Column → its type; inputs, then targets."""
    split: str
    """Which rows are measured: `test`, or `validation` where there are none."""
    rows: np.ndarray
    """Their numbers in the data (n), in the order of the outcomes; for `read`."""
    outcomes: Mapping[str, Outcome]
    """Target → truth and scores of these rows."""
    read: Callable[[np.ndarray, list[str]], pa.Table]
    """(row numbers, names of columns) → the raw values."""

    def of_type(self, *types: str) -> list[str]:
        """The columns of these types."""
        return [name for name, each in self.columns.items() if each in types]
