"""F-beta and G-beta of CPSC 2018 and PhysioNet/CinC 2020 (Perez Alday et al. 2020): a row weighs 1 over the number of its labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array, mean_defined
from trainwright.metrics.outcome import Outcome


class _Weighed(Additive):
    """A ratio of each label from hits, predictions and occurrences that weigh 1 / labels of the row; the mean of those that occur."""

    def rows(self, outcome: Any) -> Array:
        """Hits, predictions and occurrences of every label; [n, 3 c]."""
        truth, labels, xp = outcome.truth, outcome.labels, outcome.xp
        weight = 1.0 / outcome.floats(truth.sum(axis=1)).clip(1.0, None)
        return outcome.floats(xp.concatenate([truth & labels, labels, truth], axis=1)) * weight[:, None]

    def value(self, sums: np.ndarray) -> np.ndarray:
        return mean_defined(self.by_label(sums))

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        return self.by_label(self.whole(outcome))

    def by_label(self, sums: np.ndarray) -> np.ndarray:
        """The ratio of each label [..., c]; NaN for those that are neither true nor predicted."""
        hits, predicted, actual = np.split(sums, 3, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.ratio(hits, predicted - hits, actual - hits)

    def ratio(self, hits: np.ndarray, alarms: np.ndarray, misses: np.ndarray) -> np.ndarray:
        """The value from hits, false alarms and misses."""
        raise NotImplementedError

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each label."""
        return {"per_class": self.by_label(state)} if isinstance(state, np.ndarray) and state.ndim == 1 else {}


class CinCFBeta(_Weighed):
    """(1 + β²) TP / ((1 + β²) TP + FP + β² FN)."""

    def ratio(self, hits: np.ndarray, alarms: np.ndarray, misses: np.ndarray) -> np.ndarray:
        square = float(self.options.beta) ** 2
        return (1.0 + square) * hits / ((1.0 + square) * hits + alarms + square * misses)


class CinCGBeta(_Weighed):
    """TP / (TP + FP + β FN)."""

    def ratio(self, hits: np.ndarray, alarms: np.ndarray, misses: np.ndarray) -> np.ndarray:
        return hits / (hits + alarms + float(self.options.beta) * misses)
