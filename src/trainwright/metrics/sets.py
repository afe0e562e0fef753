"""Metrics of predicted sets of labels."""

from __future__ import annotations

import numpy as np

from trainwright.metrics.base import Mean
from trainwright.metrics.labels import Averaged
from trainwright.metrics.outcome import Outcome


class Jaccard(Averaged):
    """Shared labels over all labels of truth and prediction; a row where both are empty is exactly right."""

    def average(self, kind: str) -> str:
        return str(self.options.average)

    def ratio(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return hits / (predicted + actual - hits)


class Hamming(Mean):
    """Share of label decisions that are wrong."""

    def each(self, outcome: Outcome) -> np.ndarray:
        return (outcome.labels != outcome.truth).mean(axis=1)


class SubsetAccuracy(Mean):
    """Share of rows with exactly the right set."""

    def each(self, outcome: Outcome) -> np.ndarray:
        return (outcome.labels == outcome.truth).all(axis=1).astype(np.float64)
