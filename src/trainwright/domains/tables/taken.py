"""Rows of a table that a predictor has read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trainwright.data.source import Source
from trainwright.domains.tables.model import Model, rows_at_once
from trainwright.features.encoding import EncodedTable
from trainwright.features.table_rows import table_rows


@dataclass
class TableRows:
    """Rows of a table, encoded once, and where each stands among those that were given."""

    encoded: EncodedTable
    positions: np.ndarray
    """Of the rows that can be answered, in the blocks."""
    places: np.ndarray
    """The place of each of them among the rows that were given."""
    given: int
    """How many rows were given."""
    name: str
    """What they are from, for a person."""
    asked: int | None = None
    """Rows per forward pass, where somebody says."""
    source: Source | None = None
    """What they were read from."""
    grouped_by: str = ""
    """The column that intervals are drawn by where nobody says another."""
    names: pa.Table | None = None
    """What names each row that was given, where its source does."""
    reasons: pa.Array | None = None
    """Why each row that was given has no answer, null where it has one; None where it is not asked for."""

    def __len__(self) -> int:
        """How many of them can be answered."""
        return len(self.positions)

    def take(self, model: Model) -> dict[str, np.ndarray]:
        """The scores of all of them, by target."""
        return model.scores_of(table_rows(self.encoded, self.positions), rows_at_once(self.encoded, self.asked))
