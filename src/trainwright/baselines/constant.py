"""The same answer for every row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.baselines import ConstantOptions
from trainwright.baselines.inputs import Inputs
from trainwright.metrics.table import CLASSES


class Constant:
    """Class or label frequencies of the training rows as probabilities, or the mean of their values."""

    def __init__(self, options: ConstantOptions, *, seed: int = 0) -> None:
        self.options, self.notes = options, list[str]()
        self.sizes: list[int] = []
        self.weights: np.ndarray | None = None
        self.scored: list[np.ndarray] | None = None

    def prepare(self, train: Inputs, others: Sequence[Inputs]) -> None:
        """Counts the rows to score."""
        self.sizes = [len(each) for each in others]

    def scores(self, kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
        """The frequencies or the mean, once per row."""
        once = np.ones(len(truth)) if self.weights is None else self.weights
        counts = np.bincount(truth, once, width) if kind in CLASSES else once @ truth.astype(np.float64)
        answer = counts / once.sum()
        return [np.broadcast_to(answer, (size, *np.shape(answer))).copy() for size in self.sizes]
