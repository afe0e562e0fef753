"""The score of PhysioNet/CinC 2021 (Reyna et al. 2021): mistakes weigh by how far the diagnoses are apart; three sums, so it streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.signals.metrics.weight_table import WeightTable, read_table
from trainwright.metrics.formulas import Additive, Array


class ChallengeScore(Additive):
    """(observed - inactive) / (correct - inactive), each Σ weights[true, predicted] / |true or predicted|; 0 where correct is inactive.

    Labels that are not in the table count for nothing, neither as truth nor as prediction; of equal ones any is enough. A recording with
    no scored label adds nothing, whatever is predicted for it.
    """

    def table(self) -> WeightTable:
        """The weights."""
        return read_table(self.options.weights, self.options.inactive)

    def rows(self, outcome: Any) -> Array:
        """Observed, correct and inactive score of each row; [n, 3]."""
        table, xp = self.table(), outcome.xp
        classes = outcome.classes or [str(place) for place in range(outcome.width)]
        merge, weights = (self._as_array(outcome, each) for each in (table.merge(classes), table.weights))
        truth, labels = (outcome.floats((outcome.floats(each) @ merge) > 0) for each in (outcome.truth, outcome.labels))
        nothing = xp.zeros_like(truth)
        nothing[:, table.inactive] = 1.0
        columns = [self._score(truth, given, weights) for given in (labels, truth, nothing)]
        return xp.stack(columns, axis=1)

    @staticmethod
    def _as_array(outcome: Any, values: np.ndarray) -> Array:
        """A table beside the outcome: numpy's, or a tensor on its device."""
        return values if outcome.xp is np else outcome.floats(outcome.scores.new_tensor(values))

    @staticmethod
    def _score(truth: Array, given: Array, weights: Array) -> Array:
        either = (truth + given - truth * given).sum(axis=1).clip(1.0, None)
        return ((truth @ weights) * given).sum(axis=1) / either

    def value(self, sums: np.ndarray) -> np.ndarray:
        observed, correct, inactive = np.moveaxis(sums, -1, 0)
        scale = correct - inactive
        return np.where(scale == 0, 0.0, (observed - inactive) / np.where(scale == 0, 1.0, scale))
