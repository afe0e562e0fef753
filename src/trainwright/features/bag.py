"""Counts of tokens per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, PartLayout
from trainwright.features.options import BagOptions
from trainwright.features.tokens import WordsFeature


class BagFeature(WordsFeature):
    """Counts of tokens; part `value` has a count per token (the first for unknown ones), and `missing` where rows may be missing."""

    kind = "bag"
    config: BagOptions

    def limit(self) -> int:
        return self.config.max_tokens

    def layout(self) -> dict[str, PartLayout]:
        parts = {"value": PartLayout((self.sizes()[0],), np.float32)}
        return parts | ({"missing": PartLayout((), np.float32)} if self.has_indicator else {})

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        lists, flat = self.indices(values, rows, counts, 0)
        width = self.sizes()[0]
        found = np.bincount(lists.owners * width + flat, minlength=len(values) * width)
        parts = {"value": found.reshape(len(values), width).astype(np.float32)}
        if self.has_indicator:
            absent = self.absent(values, rows)
            parts["missing"] = np.zeros(len(values), np.float32) if absent is None else absent.astype(np.float32)
        return parts
