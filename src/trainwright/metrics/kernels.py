"""Maximum mean discrepancy of two sets of features: KID with its cubic kernel, and MMD with Gaussian ones; both unbiased."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from trainwright.metrics.feature_sets import MADE, REAL, StoringMetric
from trainwright.metrics.pair_options import KIDOptions, MMDOptions

BLOCK = 1024
"""Rows of which kernels with all others are computed at once."""
MEDIAN_ROWS = 1000
"""Reference rows of which the median distance is taken."""

Kernel = Callable[[Tensor, Tensor], Tensor]
"""Two sets of rows → the kernel of each pair."""


class KID(StoringMetric):
    """Kernel inception distance: mean of the unbiased MMD² over subsets that follow from the seed, with its standard deviation."""

    kind, config = "kid", KIDOptions
    gives = ("sd", "floor", "n", "n_real")
    may_be_nan = ("sd",)
    options: KIDOptions

    def measure(self) -> dict[str, float]:
        """Mean and deviation over the subsets, and the mean between halves of the reference."""
        mean, deviation = self._over_subsets(self.sides[MADE].rows, self.sides[REAL].rows)
        floor, _ = self._over_subsets(*self.sides[REAL].halves())
        return {"": mean, "sd": deviation, "floor": floor}

    def _over_subsets(self, one: Tensor, other: Tensor) -> tuple[float, float]:
        if min(len(one), len(other)) < 2:
            return math.nan, math.nan
        if max(len(one), len(other)) <= self.options.subset_size:
            return unbiased_mmd(one, other, cubic), math.nan  # one estimate of all rows has no deviation
        size = min(self.options.subset_size, len(one), len(other))
        draw = np.random.default_rng(self.options.seed)
        found = [unbiased_mmd(draw_rows(one, size, draw), draw_rows(other, size, draw), cubic) for _ in range(self.options.subsets)]
        return float(np.mean(found)), float(np.std(found))


class MMD(StoringMetric):
    """Unbiased MMD² under the mean of Gaussian kernels whose widths follow from the median distance of the reference."""

    kind, config = "mmd", MMDOptions
    options: MMDOptions

    def measure(self) -> dict[str, float]:
        """The discrepancy, and that between halves of the reference under the same kernels."""
        real = self.sides[REAL].rows
        median = median_distance(real[:MEDIAN_ROWS]) or 1.0

        def gaussian(one: Tensor, other: Tensor) -> Tensor:
            apart = squared_distances(one, other)
            kernels = [(-apart / (2 * (each * median) ** 2)).exp() for each in self.options.bandwidths]
            return torch.stack(kernels).mean(0)

        halves = self.sides[REAL].halves()
        floor = unbiased_mmd(*halves, gaussian) if len(halves[0]) > 1 else math.nan
        return {"": unbiased_mmd(self.sides[MADE].rows, real, gaussian), "floor": floor}


def draw_rows(rows: Tensor, size: int, draw: np.random.Generator) -> Tensor:
    """So many of some rows, none twice."""
    return rows[torch.from_numpy(draw.permutation(len(rows))[:size])]


def cubic(one: Tensor, other: Tensor) -> Tensor:
    """(x·y / numbers + 1)³ (Bińkowski et al. 2018)."""
    return (one @ other.T / one.shape[1] + 1) ** 3


def unbiased_mmd(one: Tensor, other: Tensor, kernel: Kernel) -> float:
    """The unbiased estimate of MMD² (Gretton et al. 2012, equation 3) of rows (n, d) and (m, d)."""
    n, m = len(one), len(other)
    within = [sum(float(kernel(part, rows).sum()) for part in blocks(rows)) - own(rows, kernel) for rows in (one, other)]
    between = sum(float(kernel(part, other).sum()) for part in blocks(one))
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * between / (n * m)


def own(rows: Tensor, kernel: Kernel) -> float:
    """The kernels of rows with themselves, summed up."""
    return sum(float(kernel(part, part).diagonal().sum()) for part in blocks(rows))


def blocks(rows: Tensor) -> Iterator[Tensor]:
    """Rows some at a time."""
    yield from torch.split(rows, BLOCK)


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """|x − y|² of each pair, [n, m]."""
    return (one.square().sum(1)[:, None] + other.square().sum(1)[None] - 2 * one @ other.T).clamp_min(0)


def median_distance(rows: Tensor) -> float:
    """The median distance between two different rows; 0 where all are alike."""
    upper = torch.triu_indices(len(rows), len(rows), 1)
    return float(squared_distances(rows, rows)[upper[0], upper[1]].sqrt().median())
