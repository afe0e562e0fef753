"""Intervals from draws of groups of rows, such as patients: rows of one are not independent, so that draws of rows are too sure.

Cluster bootstrap (Davison and Hinkley 1997, section 3.8): as many groups as there are, with replacement, each with all its rows. Draws are
made some at a time, so that memory does not grow with rows times draws. A class that a draw has no row of is undefined there and left out
of that draw's mean over classes; how often that happened is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Formula, Ordered
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.resamples import contrast, percentiles, student, weigh
from trainwright.metrics.table import CLASSES, SET

RESAMPLES = 1000
CELLS = 2_000_000
"""Numbers held of the draws at a time."""
VISITED = 4_000_000_000
"""Most (draw, row, column) cells visited for one metric of order unless somebody says how many draws; above it a jackknife is made."""
FOLDS = 20
LOOPED = 200
"""Draws of a metric of one's own, which can only be computed row set by row set."""


class GroupResampler:
    """The same random groups for every metric and every outcome. `groups`: int64 [rows], numbered without gaps."""

    def __init__(self, groups: np.ndarray, resamples: int | None = None, seed: int = 0, by: str = "") -> None:
        self.groups, self.asked, self.seed, self.by = groups, resamples, seed, by
        self.size = int(groups.max(initial=-1)) + 1
        self.resamples = resamples or RESAMPLES
        self.jackknifed = False
        """Whether a metric was too large to be drawn."""

    @cached_property
    def order(self) -> np.ndarray:
        """The rows, group by group."""
        return np.argsort(self.groups, kind="stable")

    @cached_property
    def begins(self) -> np.ndarray:
        """Where each group begins in `order`."""
        return np.searchsorted(self.groups[self.order], np.arange(self.size))

    def draws(self, most: int | None = None, rows: bool = False) -> Iterator[np.ndarray]:
        """How often each group (or each row) is drawn, [some draws, groups], float64, the same whenever it is asked for."""
        total, generator = most or self.resamples, np.random.default_rng(self.seed)
        at_once = max(1, CELLS // max(len(self.groups) if rows else self.size, 1))
        for start in range(0, total, at_once):
            some = min(at_once, total - start)
            drawn = generator.integers(0, self.size, (some, self.size)) + np.arange(some)[:, None] * self.size
            counts = np.bincount(drawn.ravel(), minlength=some * self.size).reshape(some, self.size).astype(np.float64)
            yield counts[:, self.groups] if rows else counts

    def interval(self, metric: Formula, outcomes: Sequence[Outcome], value: float, level: float) -> tuple[float, float]:
        """The interval of the metric of one outcome, or of the difference of two, around `value`; NaN of a single group."""
        if self.size < 2:
            return math.nan, math.nan
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cells = self.resamples * len(self.groups) * outcomes[0].width
            if isinstance(metric, Ordered) and self.asked is None and cells > VISITED:
                self.jackknifed = True
                return student(contrast([self._without_parts(metric, each) for each in outcomes]), value, level)
            return percentiles(contrast([self.values(metric, each) for each in outcomes]), level)

    def values(self, metric: Formula, outcome: Outcome) -> np.ndarray:
        """The metric of every draw, [draws]; NaN where a draw leaves it undefined."""
        if isinstance(metric, Additive):
            sums = metric.sums(outcome.take(self.order), self.begins)
            return np.concatenate([metric.value(counts @ sums) for counts in self.draws()])
        if isinstance(metric, Ordered):
            return np.concatenate([metric.weighted(outcome, weigh(metric, outcome, counts)) for counts in self.draws(rows=True)])
        rows = np.arange(len(outcome))
        drawn = (each for counts in self.draws(min(LOOPED, self.resamples), rows=True) for each in counts)
        return np.array([metric(outcome.take(np.repeat(rows, each.astype(np.int64)))) for each in drawn])

    def _without_parts(self, metric: Ordered, outcome: Outcome) -> np.ndarray:
        """The metric without each of 20 random parts of the groups, [20]."""
        part = np.random.default_rng(self.seed).permutation(self.size) % FOLDS
        kept = ((part != each)[self.groups].astype(np.float64)[None] for each in range(FOLDS))
        return np.concatenate([metric.weighted(outcome, weigh(metric, outcome, each)) for each in kept])

    def absent(self, outcome: Outcome) -> dict[str, int]:
        """Class or label → in how many draws no row has it (or, of a label, every row), which is where it is undefined; none left out."""
        if outcome.kind not in (*CLASSES, SET):
            return {}
        positives, named = outcome.positives, [1] if outcome.kind not in (SET, "category") else range(outcome.width)
        held = np.add.reduceat(positives[self.order].astype(np.float64), self.begins, axis=0)
        sizes = np.diff(self.begins, append=len(self.groups)).astype(np.float64)
        lacking = np.zeros(held.shape[1], np.int64)
        for counts in self.draws():
            have = counts @ held
            lacking += ((have == 0) | (have == (counts @ sizes)[:, None])).sum(axis=0)
        return {outcome.class_name(name): int(each) for name, each in zip(named, lacking, strict=True) if each}

    def describe(self) -> dict[str, Any]:
        """What was drawn, for results.json."""
        found: dict[str, Any] = {"by": self.by, "groups": self.size, "resamples": self.resamples}
        return found | ({"jackknife": FOLDS} if self.jackknifed else {})
