"""How far a test metric, or the difference of two, could lie from the truth because the test rows are a sample.

Percentile bootstrap (Efron 1979). Metrics that are sums over rows are resampled as sums: by row up to 2,000 rows, above that by
1,000 random blocks of rows, whose sums are as independent as the rows. Metrics of order are resampled by row up to 2,000 rows; above
that a delete-a-group jackknife with 20 groups gives their standard error from all rows (Kott 2001), and the interval is Student's t.
Rows that belong together, as those of a patient, are drawn together: see `group_bootstrap`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.metrics import PARTS, from_label, label
from trainwright.metrics.evaluate import compute_one, instance
from trainwright.metrics.formulas import Additive, Formula, Ordered
from trainwright.metrics.group_bootstrap import GroupResampler
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.resamples import contrast, percentiles, student, weigh

_BY_ROW = 2000
"""Up to this many rows every row is resampled on its own."""
_BLOCKS = 1000
_GROUPS = 20
_BUDGET = 20_000_000
"""Most (resample, row, column) cells visited for one metric of order; above it there are fewer resamples, never fewer than 100."""
_LOOPED = 200
"""Resamples of a metric that can only be computed row set by row set."""


@dataclass(frozen=True)
class Difference:
    """How much better the first outcome's metric is than the second's (first minus second), with its interval."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0.0 or self.high < 0.0


class Resampler(Protocol):
    """Draws rows, the same for every metric and every outcome, so that differences are paired."""

    def interval(self, metric: Formula, outcomes: Sequence[Outcome], value: float, level: float) -> tuple[float, float]:
        """The interval of the metric of one outcome, or of the difference of two, around `value`."""

    def describe(self) -> dict[str, Any]:
        """What was drawn, for results.json."""


class _Resampler:
    """The same random resamples of n rows for every metric and every outcome, so that differences are paired."""

    def __init__(self, rows: int, resamples: int, seed: int) -> None:
        self.rows, self.resamples, self.seed = rows, resamples, seed

    def _multinomial(self, cells: int) -> np.ndarray:
        """How often each of `cells` is drawn in each resample, [resamples, cells]."""
        drawn = np.random.default_rng(self.seed).integers(0, cells, (self.resamples, cells))
        drawn += np.arange(self.resamples)[:, None] * cells
        return np.bincount(drawn.ravel(), minlength=self.resamples * cells).reshape(self.resamples, cells).astype(np.float64)

    @cached_property
    def counts(self) -> np.ndarray:
        return self._multinomial(self.rows)

    @cached_property
    def block_counts(self) -> np.ndarray:
        return self._multinomial(_BLOCKS)

    @cached_property
    def shuffled(self) -> np.ndarray:
        return np.random.default_rng(self.seed + 1).permutation(self.rows)

    def additive(self, metric: Additive, outcome: Outcome) -> np.ndarray:
        """The metric of every resample, [resamples]."""
        if self.rows <= _BY_ROW:
            return metric.value(self.counts @ metric.sums(outcome, np.arange(self.rows)))
        starts = np.linspace(0, self.rows, _BLOCKS, endpoint=False).astype(np.int64)
        return metric.value(self.block_counts @ metric.sums(outcome.take(self.shuffled), starts))

    def resample_ordered(self, metric: Formula, outcome: Outcome) -> np.ndarray:
        """The metric of every resample, at most [resamples]; for up to `_BY_ROW` rows."""
        if isinstance(metric, Ordered):
            fitting = max(100, _BUDGET // (self.rows * outcome.width))
            return metric.weighted(outcome, weigh(metric, outcome, self.counts[:fitting]))
        return np.array([metric(outcome.take(np.repeat(np.arange(self.rows), each.astype(np.int64)))) for each in self.counts[:_LOOPED]])

    def without_groups(self, metric: Formula, outcome: Outcome) -> np.ndarray:
        """The metric without each of 20 random groups of rows, [20]."""
        groups = np.empty(self.rows, np.int64)
        groups[self.shuffled] = np.arange(self.rows) % _GROUPS
        if not isinstance(metric, Ordered):
            return np.array([metric(outcome.take(groups != each)) for each in range(_GROUPS)])
        at_once = max(1, _BUDGET // 5 // self.rows)
        kept = [
            (groups != np.arange(first, min(first + at_once, _GROUPS))[:, None]).astype(np.float64) for first in range(0, _GROUPS, at_once)
        ]
        return np.concatenate([metric.weighted(outcome, weigh(metric, outcome, each)) for each in kept])

    def describe(self) -> dict[str, Any]:
        """What was drawn, for results.json."""
        return {"by": "", "groups": self.rows, "resamples": self.resamples}

    def interval(self, metric: Formula, outcomes: Sequence[Outcome], value: float, level: float) -> tuple[float, float]:
        """The interval of the metric of one outcome, or of the difference of two, around `value`."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if isinstance(metric, Additive):
                return percentiles(contrast([self.additive(metric, each) for each in outcomes]), level)
            if self.rows <= _BY_ROW:
                return percentiles(contrast([self.resample_ordered(metric, each) for each in outcomes]), level)
            return student(contrast([self.without_groups(metric, each) for each in outcomes]), value, level)


def resampler_of(rows: int, groups: np.ndarray | None, resamples: int | None, seed: int) -> Resampler:
    """What draws the rows, or the groups of them (int64 [rows], numbered without gaps)."""
    if groups is None:
        return _Resampler(rows, resamples or 1000, seed)
    return GroupResampler(groups, resamples, seed)


def intervals(
    outcome: Outcome,
    metrics: Iterable[PartConfig | str],
    *,
    resamples: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    groups: np.ndarray | None = None,
    resampler: Resampler | None = None,
) -> dict[str, tuple[float, float]]:
    """The interval (low, high) of every metric by its key; (NaN, NaN) where the metric or its interval is undefined.

    `groups`: which rows belong together, int64 [n] numbered without gaps, and are drawn together. `resampler`: one that is made.
    """
    resampler = resampler or resampler_of(len(outcome), groups, resamples, seed)
    found = {}
    for each in metrics:
        name, metric = each if isinstance(each, str) else label(each), instance(each, outcome.kind)
        found[name] = (math.nan, math.nan)
        value = metric(outcome)
        if getattr(metric, "has_interval", True) and not math.isnan(value):
            low, high = resampler.interval(metric, [outcome], value, level)
            part = PARTS.get((from_label(each) if isinstance(each, str) else each).type)
            found[name] = (max(low, part.low), min(high, part.high)) if part else (low, high)
    return found


def difference_interval(
    first: Outcome,
    second: Outcome,
    metric: PartConfig | str,
    *,
    resamples: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Difference:
    """First minus second of a metric over the same rows, with the interval of the paired bootstrap; `groups` as `intervals` has them.

    Raises ValueError when the outcomes are not of the same rows (their truths differ). Values are NaN where the metric is undefined.
    """
    if first.kind != second.kind or first.truth.shape != second.truth.shape or not np.allclose(first.truth, second.truth, equal_nan=True):
        raise ValueError("the two outcomes are not of the same rows: their true values differ")
    made = instance(metric, first.kind)
    value = compute_one(first, metric) - compute_one(second, metric)
    if math.isnan(value) or not getattr(made, "has_interval", True):
        return Difference(value, math.nan, math.nan)
    low, high = resampler_of(len(first), groups, resamples, seed).interval(made, [first, second], value, level)
    return Difference(value, low, high)
