"""Split conformal prediction: how far off held-out rows were bounds how far off new ones are, whatever the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

INTERVALS = ("residual", "normalised", "quantile")
SETS = ("lac", "aps")


def conformal_rank(rows: int, alpha: float) -> int:
    """⌈(n + 1)(1 - α)⌉, exactly: α counts as the decimal that it is written as. Raises ValueError for α beyond (0, 1)."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, both left out, not {alpha}")
    return math.ceil((rows + 1) * (1 - Fraction(repr(float(alpha)))))


def least_rows(alpha: float) -> int:
    """The fewest rows that bound anything: ⌈1/α⌉ - 1."""
    conformal_rank(0, alpha)
    return math.ceil(1 / Fraction(repr(float(alpha)))) - 1


def too_few(rows: int, alpha: float) -> str:
    """Why so many rows bound nothing; empty where they do. Raises ValueError for α beyond (0, 1)."""
    needed, there = least_rows(alpha), f"there {'is' if rows == 1 else 'are'} {rows:,}"
    why = f"alpha {alpha:g} needs at least {needed:,} rows, {there}: every interval would be infinite, every set all classes"
    return why if rows < needed else ""


def conformal_quantile(scores: Any, alpha: float) -> float:
    """The k-th smallest of n scores, k = ⌈(n + 1)(1 - α)⌉; infinite where k > n, since so few rows bound nothing.

    A new score, exchangeable with these, is at most that with a probability of at least 1 - α, and of less than 1 - α + 1/(n + 1) where
    no two are equal (Vovk et al. 2005; Angelopoulos and Bates 2021). Raises ValueError for α beyond (0, 1) and scores that are NaN.
    """
    ordered = np.sort(np.asarray(scores, np.float64).ravel())
    rank = conformal_rank(len(ordered), alpha)
    if np.isnan(ordered).any():
        raise ValueError("a score is NaN: a prediction or a true value is not finite")
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


@dataclass(frozen=True)
class Conformal:
    """Fitted intervals (of `residual`, `normalised` or `quantile` scores) or sets of classes (`lac`, `aps`)."""

    score: str
    alpha: float
    quantile: np.ndarray
    """[1], or one for each number of a vector, each by itself."""
    rows: int
    randomised: bool = False
    seed: int = 0
    note: str = ""

    def interval(self, prediction: Any, sigma: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value for predictions [n] or [n, d].

        With `normalised` scores `sigma` is of their shape; with `quantile` scores the predictions are the (low, high) pair of the model's
        quantiles. Raises ValueError for sets.
        """
        if self.score == "quantile":
            low, high = (np.asarray(each, np.float64) for each in prediction)
            return low - self._wide(low), high + self._wide(high)
        if self.score not in INTERVALS:
            raise ValueError(f"'{self.score}' gives sets of classes: use contains(probabilities)")
        values = np.asarray(prediction, np.float64)
        reach = self._wide(values) * (1.0 if self.score == "residual" else _checked_sigma(sigma, values))
        return values - reach, values + reach

    def contains(self, probabilities: Any, start: int = 0) -> np.ndarray:
        """Which classes are in the set of each row, bool [n, c]; rows are the `start`-th and following ones where draws count."""
        if self.score not in SETS:
            raise ValueError(f"'{self.score}' gives intervals: use interval(prediction)")
        p = np.asarray(probabilities, np.float64)
        draws = uniform_draws(self.seed, start, len(p)) if self.randomised else None
        found: np.ndarray = class_scores(p, self.score, draws) <= self.quantile[0]
        return found

    def _wide(self, values: np.ndarray) -> Any:
        return self.quantile if values.ndim == 2 else self.quantile[0]


def fit_intervals(prediction: Any, truth: Any, alpha: float = 0.1, *, sigma: Any = None) -> Conformal:
    """Intervals prediction ± q·sigma that hold a share 1 - α of new rows, q the conformal quantile of |truth - prediction| / sigma.

    `prediction` and `truth` [n] or [n, d], each number by itself; `sigma` of their shape and above 0, or None for 1. Raises ValueError
    for shapes that differ, NaN, α beyond (0, 1), and too few rows for it. (Lei et al. 2018)
    """
    values, true = _same_shape(prediction, truth)
    errors = np.abs(true - values) / (1.0 if sigma is None else _checked_sigma(sigma, values))
    return Conformal("residual" if sigma is None else "normalised", alpha, _by_column(errors, alpha), len(values))


def fit_quantile_intervals(low: Any, high: Any, truth: Any, alpha: float = 0.1) -> Conformal:
    """Intervals [low - q, high + q] round the quantiles of a model, q the conformal quantile of max(low - truth, truth - high).

    q may be negative: intervals that were too wide become narrower. Raises ValueError as `fit_intervals`. (Romano et al. 2019, CQR)
    """
    below, true = _same_shape(low, truth)
    above, _ = _same_shape(high, truth)
    return Conformal("quantile", alpha, _by_column(np.maximum(below - true, true - above), alpha), len(true))


def fit_class_sets(
    probabilities: Any, truth: Any, alpha: float = 0.1, *, score: str = "lac", randomised: bool = False, seed: int = 0
) -> Conformal:
    """Sets of classes that hold the true one of a share 1 - α of new rows; probabilities [n, c], truth [n] class numbers.

    `lac`: 1 - p(y) (Sadinle et al. 2019); `aps`: the sum of the probabilities down to y's (Romano et al. 2020), with `randomised` less
    a drawn share of the last. A set may be empty. Raises ValueError for shapes that do not fit, α beyond (0, 1), and too few rows for it.
    """
    p, true = np.asarray(probabilities, np.float64), np.asarray(truth)
    if p.ndim != 2 or true.shape != p.shape[:1] or (len(true) and not 0 <= true.min() <= true.max() < p.shape[1]):
        raise ValueError(f"probabilities {p.shape} must be [n, classes], and truth {true.shape} their class numbers")
    if score not in SETS or (randomised and score != "aps"):
        raise ValueError(f"score must be lac or aps, and aps alone is drawn, not {score!r}")
    draws = uniform_draws(seed, 0, len(p)) if randomised else None
    own = class_scores(p, score, draws)[np.arange(len(p)), true.astype(np.int64)]
    # what predicts draws anew: the rows that were fitted on are no others
    return Conformal(score, alpha, _by_column(own, alpha), len(p), randomised, seed + 1 if randomised else seed)


def class_scores(probabilities: np.ndarray, score: str = "lac", draws: np.ndarray | None = None) -> np.ndarray:
    """How badly each class would be predicted, [n, c]; of equally probable classes the first counts as more probable."""
    p = np.asarray(probabilities, np.float64)
    if score == "lac":
        return 1.0 - p
    order = np.argsort(-p, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(p, order, axis=1), axis=1)
    if draws is not None:
        sums = sums - draws[:, None] * np.take_along_axis(p, order, axis=1)
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found


def uniform_draws(seed: int, start: int, rows: int) -> np.ndarray:
    """The draws of rows `start` to `start + rows - 1`, uniform from 0 to 1: a row's does not depend on how many are answered at a time."""
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.random(start + rows)[start:]


def _by_column(errors: np.ndarray, alpha: float) -> np.ndarray:
    if why := too_few(len(errors), alpha):
        raise ValueError(why)
    columns = errors.T if errors.ndim == 2 else errors[None]
    return np.array([conformal_quantile(each, alpha) for each in columns])


def _same_shape(values: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    found, true = np.asarray(values, np.float64), np.asarray(truth, np.float64)
    if found.shape != true.shape or found.ndim not in (1, 2):
        raise ValueError(f"predictions {found.shape} and truth {true.shape} must both be [n] or [n, d]")
    return found, true


def _checked_sigma(sigma: Any, values: np.ndarray) -> np.ndarray:
    if sigma is None:
        raise ValueError("normalised scores need the sigma of every prediction")
    found = np.asarray(sigma, np.float64)
    if found.shape != values.shape or not (found > 0).all():
        raise ValueError(f"sigma {found.shape} must be above 0 and of the shape of the predictions {values.shape}")
    return found
