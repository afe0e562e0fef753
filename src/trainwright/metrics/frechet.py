"""Fréchet distance of two sets of features taken for normal: FID, where the features are those of an Inception network."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.metrics.feature_sets import MADE, REAL, FeatureMetric

log = logging.getLogger("trainwright.metrics")

RESIDUAL = 1e-9
"""How far the square of a root may be from the matrix, by its norm; eigenvectors in float64 give some 1e-15."""
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

    def take_in(self, side: str, features: Tensor, keys: np.ndarray | None = None) -> None:
        """Sum them up, with their products."""
        odd = torch.from_numpy((self.keys_of(features, keys)[:, 0] & 1).astype(bool))
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
        self._say_ranks(made[1], real[1])
        (made_half, _), (real_half, other) = HALVES[MADE], HALVES[REAL]
        return {"": frechet(made, real), "halves": self._between(made_half, other), "floor": self._between(real_half, other)}

    def _say_ranks(self, *covariances: Tensor) -> None:
        """Warn where rows are too few for the features, and tell where features vary in fewer directions than there are of them."""
        least, width = min(self.counts()), len(covariances[0])
        ranks = [rank_of(each) for each in covariances]
        if least < 2 * width:
            what = f"are rank-deficient ({min(ranks)} of {width})" if least <= width else "are known badly"
            text = "%s: %d rows for %d features: the covariances %s, so that the number means little; see kid, or make more rows"
            log.log(logging.WARNING if self.loud else logging.DEBUG, text, self.name, least, width, what)
        elif min(ranks) < width and self.loud:
            log.info("%s: made and real features vary in %d and %d directions of %d", self.name, *ranks, width)

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
    """The squared Fréchet distance of two normal distributions, each a mean (d,) and a covariance (d, d).

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂) − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½: that product has the eigenvalues of Σ₁Σ₂ and is symmetric, so that no root comes
    out complex and nothing need be added to covariances of a lower rank.
    """
    (mean1, cov1), (mean2, cov2) = one, other
    root = square_root(cov1)
    inner = root @ cov2 @ root
    cross = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp_min(0).sqrt().sum()
    return float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross)


def square_root(matrix: Tensor) -> Tensor:
    """The root (d, d) of a symmetric matrix without negative eigenvalues, by these, in float64; warns where its square is another matrix.

    Eigenvalues below 0 that rounding made are taken for 0. Raises DataError for a matrix that is not finite.
    """
    matrix = matrix.double()
    if not bool(matrix.isfinite().all()):
        raise DataError("covariances of features are not finite", where="fid", why="features are too large to be squared")
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    residual = float((root @ root - matrix).norm() / matrix.norm().clamp_min(torch.finfo(torch.float64).tiny))
    if residual > RESIDUAL:
        log.warning("the square of a root of covariances differs from them by %.2g of their norm: the distance is as uncertain", residual)
    return root


def rank_of(covariance: Tensor) -> int:
    """How many directions rows vary in: eigenvalues above d ε of the largest (as numpy's `matrix_rank`)."""
    values = torch.linalg.eigvalsh(covariance)
    return int((values > values.abs().max() * len(values) * torch.finfo(values.dtype).eps).sum())
