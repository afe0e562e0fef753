"""Fréchet distance of two sets of features taken for normal: FID, where the features are those of an Inception network."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainwright.metrics.feature_sets import MADE, REAL, FeatureMetric, row_keys

log = logging.getLogger("trainwright.metrics")

HALVES = {MADE: ("made_a", "made_b"), REAL: ("real_a", "real_b")}
"""Each side in two halves, which the content of each row decides: the distance between those of the reference is the floor."""


class FID(FeatureMetric):
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (Heusel et al. 2017, equation 6), covariances with n − 1; sums of float64, no rows are kept."""

    kind = "fid"
    gives = ("halves", "floor", "n", "n_real")
    emptied_by_load = True

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        return "sums and outer products of features"

    def take_in(self, side: str, features: Tensor) -> None:
        """Sum them up, with their products."""
        odd = torch.from_numpy(np.array([each[0] & 1 for each in row_keys(features)], bool))
        for half, rows in zip(HALVES[side], (features[odd], features[~odd]), strict=True):
            self._sum(half, rows)

    def _sum(self, side: str, rows: Tensor) -> None:
        sums: dict[str, Tensor | float] = {f"{side}/n": len(rows), f"{side}/sum": rows.sum(0), f"{side}/product": rows.T @ rows}
        self.add(**sums)

    def counts(self) -> tuple[int, int]:
        """How many made and real rows were seen."""
        first = HALVES[MADE][0]
        self.width = self.sums[f"{first}/sum"].shape[0] if f"{first}/sum" in self.sums else self.width
        made, real = (sum(int(self.sums.get(f"{half}/n", 0)) for half in HALVES[side]) for side in (MADE, REAL))
        return made, real

    def measure(self) -> dict[str, float]:
        """The distance; that of one half of what was made from one of the reference; and that between the halves of the reference.

        The last two have as many rows, where both sides do: the distance grows as rows become fewer, so that these are to be compared.
        """
        made, real = (moments(self.sums, HALVES[side]) for side in (MADE, REAL))
        least, width = min(self.counts()), len(made[0])
        if least < 2 * width:
            what = "are rank-deficient" if least <= width else "are known badly"
            text = "%s: %d rows for %d features: the covariances %s, so that the number means little; see kid, or make more rows"
            log.warning(text, self.name, least, width, what)
        (made_half, _), (real_half, other) = HALVES[MADE], HALVES[REAL]
        return {"": frechet(made, real), "halves": self._between(made_half, other), "floor": self._between(real_half, other)}

    def _between(self, one: str, other: str) -> float:
        """The distance of two halves; NaN where one has fewer than two rows."""
        few = min(int(self.sums[f"{half}/n"]) for half in (one, other)) < 2
        return math.nan if few else frechet(moments(self.sums, [one]), moments(self.sums, [other]))


def moments(sums: dict[str, Tensor], sides: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of the rows of some sides together."""
    n, total, product = (sum(sums[f"{side}/{name}"].cpu().double() for side in sides) for name in ("n", "sum", "product"))
    mean: Tensor = total / n  # type: ignore[assignment]
    covariance: Tensor = (product - n * torch.outer(mean, mean)) / (n - 1)
    return mean, covariance


def frechet(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """The squared Fréchet distance of two normal distributions, each a mean (d,) and a covariance (d, d)."""
    (mean1, cov1), (mean2, cov2) = one, other
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    inner = root @ cov2 @ root  # has the eigenvalues of cov1 @ cov2, and is symmetric, so that none comes out complex
    cross = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp_min(0).sqrt().sum()
    return float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross)
