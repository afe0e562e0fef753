"""Metrics of predicted sets of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Array, Mean
from trainwright.metrics.labels import Averaged


class Jaccard(Averaged):
    """Shared labels over all labels of truth and prediction; a row where both are empty is exactly right."""

    def average(self, kind: str) -> str:
        return str(self.options.average)

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return hits / (predicted + actual - hits)


class Hamming(Mean):
    """Share of label decisions that are wrong."""

    def each(self, outcome: Any) -> Array:
        return outcome.floats(outcome.labels != outcome.truth).mean(axis=1)


class SubsetAccuracy(Mean):
    """Share of rows with exactly the right set."""

    def each(self, outcome: Any) -> Array:
        return outcome.floats((outcome.labels == outcome.truth).all(axis=1))
