"""Fréchet distance of two sets of features taken for normal: FID, where the features are those of an Inception network."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from trainwright.metrics.feature_sets import MADE, FeatureMetric, row_keys

log = logging.getLogger("trainwright.metrics")

HALVES = ("real_a", "real_b")
"""The reference in two halves, which the content of each row decides: what the distance between them is, is the floor."""


class FID(FeatureMetric):
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (Heusel et al. 2017, equation 6), covariances with n − 1; sums of float64, no rows are kept."""

    kind = "fid"
    emptied_by_load = True

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        return "sums and outer products of features"

    def take_in(self, side: str, features: Tensor) -> None:
        """Sum them up, with their products."""
        if side == MADE:
            self._sum(MADE, features)
            return
        odd = torch.from_numpy(np.array([each[0] & 1 for each in row_keys(features)], bool))
        for half, rows in zip(HALVES, (features[odd], features[~odd]), strict=True):
            self._sum(half, rows)

    def _sum(self, side: str, rows: Tensor) -> None:
        sums: dict[str, Tensor | float] = {f"{side}/n": len(rows), f"{side}/sum": rows.sum(0), f"{side}/product": rows.T @ rows}
        self.add(**sums)

    def counts(self) -> tuple[int, int]:
        """How many made and real rows were seen."""
        made, *halves = (int(self.sums.get(f"{side}/n", 0)) for side in (MADE, *HALVES))
        self.width = self.sums[f"{MADE}/sum"].shape[0] if f"{MADE}/sum" in self.sums else self.width
        return made, sum(halves)

    def measure(self) -> dict[str, float]:
        """The distance, and that between the halves of the reference."""
        made, real = moments(self.sums, [MADE]), moments(self.sums, list(HALVES))
        least, width = min(self.counts()), len(made[0])
        if least < 2 * width:
            what = "are rank-deficient" if least <= width else "are known badly"
            text = "%s: %d rows for %d features: the covariances %s, so that the number means little; see kid, or make more rows"
            log.warning(text, self.name, least, width, what)
        small = min(int(self.sums[f"{half}/n"]) for half in HALVES) < 2
        floor = float("nan") if small else frechet(*(moments(self.sums, [half]) for half in HALVES))
        return {"": frechet(made, real), "floor": floor}


def moments(sums: dict[str, Tensor], sides: list[str]) -> tuple[Tensor, Tensor]:
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
