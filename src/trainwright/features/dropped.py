"""Rows that columns leave out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright.config.errors import DataError
from trainwright.features.base import Feature

if TYPE_CHECKING:
    from trainwright.data.source import Source


@dataclass(frozen=True)
class Dropped:
    """Source rows that a column's policy left out."""

    column: str
    reason: str
    rows: np.ndarray

    def summary(self) -> dict[str, Any]:
        """As it stands in data.json: the reason, how many, and the first ten row numbers (from 0)."""
        return {"reason": self.reason, "count": len(self.rows), "rows": self.rows[:10].tolist()}


def nothing_left(source: Source, features: Mapping[str, Feature]) -> DataError:
    """The error where policies left out every training row: for what they may have been."""
    found = [f"{feature.lacking} in '{name}'" for name, feature in features.items() if feature.drops]
    why = f"every one has {' or '.join(found)}, and was left out for it"
    return DataError("no training rows are left", where=source.name, why=why, fix="choose another policy for such rows")
