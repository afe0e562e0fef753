"""The two shapes of formulas: sums over rows, and orders of rows; both can be resampled without computing row by row again.

What is summed is written once, for numpy (a split at once) and for torch (training batches as they come): `Array` is either.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainwright.metrics.outcome import Outcome

Array = Any
"""A numpy array, or a tensor on its device."""


class Formula:
    """A number that says how good an outcome is; NaN when it is undefined for it."""

    has_interval = True
    """Whether resampling the rows says anything about the metric."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def __call__(self, outcome: Outcome) -> float:
        """The metric of the outcome; NaN for no rows, NaN or infinite scores, and where its definition divides by nothing."""
        if not outcome.usable:
            return math.nan
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return float(self.measure(outcome))

    def measure(self, outcome: Outcome) -> float:
        """The metric of a usable outcome."""
        raise NotImplementedError

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        """The value of each class or label, NaN where it is undefined and so left out of the mean; None for what is no mean over them."""
        return None

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """Values per class or column, and points of curves, by name: of counts, of a summary, or of an outcome that is in order."""
        return {}


class Additive(Formula):
    """A metric that is a function of sums over rows."""

    def rows(self, outcome: Any) -> Array:
        """What is summed, [n, k]."""
        raise NotImplementedError

    def value(self, sums: np.ndarray) -> np.ndarray:
        """The metric from sums [..., k]."""
        raise NotImplementedError

    def whole(self, outcome: Outcome) -> np.ndarray:
        """The sums over all rows, [k]."""
        return self.sums(outcome, np.zeros(1, np.int64))[0]

    def summary(self, batch: Any) -> Array:
        """What is kept of a batch [k], a `BatchOutcome`, on its device; `merge` joins several, `value_of` makes the metric of it."""
        rows = self.rows(batch)
        return (rows if batch.keep is None else rows.where(batch.keep[:, None], 0.0)).sum(axis=0)

    def merge(self, first: Array, second: Array) -> Array:
        """The summary of the rows of both."""
        return first + second

    def value_of(self, summary: np.ndarray) -> float:
        """The metric from a summary; float64 [k]."""
        return float(self.value(summary))

    def sums(self, outcome: Outcome, starts: np.ndarray) -> np.ndarray:
        """Sums [len(starts), k] over the runs of rows that begin at `starts`."""
        rows = self.rows(outcome)
        return np.add.reduceat(rows if outcome.weights is None else rows * outcome.weights[:, None], starts, axis=0)

    def measure(self, outcome: Outcome) -> float:
        return float(self.value(self.whole(outcome)[None])[0])


class Mean(Additive):
    """A metric that is the mean of a number per row."""

    def each(self, outcome: Any) -> Array:
        """The number of every row, [n]."""
        raise NotImplementedError

    def rows(self, outcome: Any) -> Array:
        each, xp = self.each(outcome), outcome.xp
        return xp.stack([each, xp.ones_like(each)], axis=1)

    def summary(self, batch: Any) -> Array:
        """The sum, and how many rows it is over."""
        if batch.keep is not None:
            return super().summary(batch)
        each = self.each(batch)
        return batch.xp.stack([each.sum(), batch.xp.full_like(each[:1], len(each))[0]])

    def value(self, sums: np.ndarray) -> np.ndarray:
        return sums[..., 0] / sums[..., 1]

    def measure(self, outcome: Outcome) -> float:
        return float(np.average(self.each(outcome), weights=outcome.weights))


class Ordered(Formula):
    """A metric that depends on the order of rows, computed from how often each row counts."""

    ignores_weights = False
    """Whether rows count alike whatever they weigh: what it is of one row."""

    def weighted(self, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
        """The metric [b] when row i counts `counts[:, i]` times, counts [b, n]."""
        raise NotImplementedError

    def measure(self, outcome: Outcome) -> float:
        once = np.ones(len(outcome)) if outcome.weights is None or self.ignores_weights else outcome.weights
        return float(self.weighted(outcome, once[None])[0])


def mean_defined(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over the last axis of the values that are not NaN; NaN when there are none."""
    defined = ~np.isnan(values)
    weight = np.where(defined, 1.0 if weights is None else weights, 0.0)
    return (np.where(defined, values, 0.0) * weight).sum(axis=-1) / weight.sum(axis=-1)
