"""A column that is left out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, Feature, PartLayout


class IgnoreFeature(Feature):
    """Takes anything and encodes nothing."""

    kind = "ignore"

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        self.fitted_rows += len(values)

    def finish(self) -> None:
        self.prepare()

    def layout(self) -> dict[str, PartLayout]:
        return {}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        return {}
