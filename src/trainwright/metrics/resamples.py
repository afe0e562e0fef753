"""From the values of resamples to an interval."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from trainwright.metrics.formulas import Ordered
from trainwright.metrics.outcome import Outcome


def weigh(metric: Ordered, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
    """How often rows are drawn [b, n], times what they weigh."""
    return counts if outcome.weights is None or metric.ignores_weights else counts * outcome.weights


def contrast(values: list[np.ndarray]) -> np.ndarray:
    return values[0] if len(values) == 1 else values[0] - values[1]


def percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if len(defined) < max(2, len(values) / 2):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def student(values: np.ndarray, value: float, level: float) -> tuple[float, float]:
    freedom = len(values) - 1
    error = math.sqrt(freedom / len(values) * float(((values - values.mean()) ** 2).sum()))
    z = NormalDist().inv_cdf((1 + level) / 2)
    t = z + (z**3 + z) / (4 * freedom)  # Cornish-Fisher, first term: 0.4 % below the exact quantile at 19 degrees of freedom
    return value - t * error, value + t * error
