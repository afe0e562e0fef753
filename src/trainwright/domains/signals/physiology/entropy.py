"""Entropies of a series: how much of what follows is told by what was before. Formulas and defaults are antropy's."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from trainwright.config.errors import ConfigError, DataError

Array = np.ndarray[Any, Any]
Metric = Literal["chebyshev", "euclidean"]
NORMS: dict[str, float] = {"chebyshev": math.inf, "euclidean": 2.0}
SHARE = 0.2
"""Of the standard deviation: the tolerance where none is given (Richman and Moorman, 2000)."""


def permutation_entropy(values: Array, order: int = 3, delay: int = 1, normalize: bool = False) -> float:
    """Entropy in bits of the orders of `order` values `delay` apart (Bandt and Pompe, 2002); of `(time,)`, NaN for a shorter series.

    `normalize` divides by log2(order!), so that 1 is all orders alike. Equal neighbours count as ascending. Raises ConfigError, DataError.
    """
    series = as_series(values, "permutation_entropy")
    _check(order, 2, "order")
    _check(delay, 1, "delay")
    patterns = np.argsort(embed(series, order, delay), axis=1, kind="stable")
    if not len(patterns):
        return math.nan
    _, counts = np.unique(patterns @ order ** np.arange(order), return_counts=True)
    bits = entropy_of(counts / counts.sum())
    return bits / math.log2(math.factorial(order)) if normalize else bits


def sample_entropy(values: Array, order: int = 2, tolerance: float | None = None, metric: Metric = "chebyshev") -> float:
    """−log of how many pieces of `order` values that are alike stay so for one more (Richman and Moorman, 2000), of `(time,)`.

    Alike: within `tolerance`, in the unit of the values (default: 0.2 of their standard deviation). Infinite where none stays alike, NaN
    where there is nothing to compare. Raises ConfigError, DataError.
    """
    series = as_series(values, "sample_entropy")
    _check(order, 1, "order")
    radius, norm = _radius(series, tolerance, metric)
    before, after = embed(series, order, 1)[:-1], embed(series, order + 1, 1)
    if len(after) < 2:
        return math.nan
    alike, still = (count_pairs(each, radius, norm) - len(each) for each in (before, after))
    if not alike:
        return math.nan
    return -math.log(still / alike) if still else math.inf


def approximate_entropy(values: Array, order: int = 2, tolerance: float | None = None, metric: Metric = "chebyshev") -> float:
    """Pieces of `order` values that are alike, by mean logarithm, less those of one more (Pincus, 1991), of `(time,)`; each is like itself.

    Tolerance as in `sample_entropy`. NaN for a series that is too short. Raises ConfigError, DataError.
    """
    series = as_series(values, "approximate_entropy")
    _check(order, 1, "order")
    radius, norm = _radius(series, tolerance, metric)
    if len(series) < order + 2:
        return math.nan
    pieces = (embed(series, length, 1) for length in (order, order + 1))
    before, after = (float(np.log(count_near(each, radius, norm) / len(each)).mean()) for each in pieces)
    return before - after


def spectral_entropy(
    values: Array, rate: float, method: Literal["fft", "welch"] = "fft", nperseg: int | None = None, normalize: bool = False
) -> float:
    """Entropy in bits of the power spectrum of `(time,)`, by periodogram (`fft`) or Welch's method; `rate` in samples a second.

    `normalize` divides by log2 of the number of frequencies, so that white noise is near 1. NaN for a series without power. Raises
    ConfigError, DataError.
    """
    from scipy.signal import periodogram, welch

    series = as_series(values, "spectral_entropy")
    if method not in ("fft", "welch"):
        raise ConfigError(f"there is no spectrum by '{method}'", where="spectral_entropy", fix="method='fft' or 'welch'")
    if not rate > 0:
        raise ConfigError(f"rate must be above 0, not {rate}", where="spectral_entropy", fix="give samples a second")
    if len(series) < 2:
        return math.nan
    length = min(nperseg or 256, len(series))
    _, power = periodogram(series, rate) if method == "fft" else welch(series, rate, nperseg=length)
    if not power.sum() > 0:
        return math.nan
    bits = entropy_of(power / power.sum())
    return bits / math.log2(len(power)) if normalize else bits


def embed(series: Array, order: int, delay: int) -> Array:
    """Pieces of `order` values `delay` apart: `(pieces, order)`; none of a shorter series."""
    count = len(series) - (order - 1) * delay
    return series[np.arange(max(count, 0))[:, None] + delay * np.arange(order)]


def count_near(pieces: Array, radius: float, norm: float) -> Array:
    """How many pieces lie within the radius of each, itself among them."""
    from scipy.spatial import cKDTree

    tree = cKDTree(pieces)
    return np.asarray(tree.query_ball_point(pieces, radius, p=norm, return_length=True))


def count_pairs(pieces: Array, radius: float, norm: float) -> int:
    """How many pairs of pieces lie within the radius of each other, each with itself among them."""
    from scipy.spatial import cKDTree

    tree = cKDTree(pieces)
    return int(tree.count_neighbors(tree, radius, p=norm))


def entropy_of(shares: Array) -> float:
    """−Σ p log2 p of shares that sum to 1."""
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum()) + 0.0


def as_series(values: Array, where: str) -> Array:
    """`(time,)` as float64. Raises DataError for another shape, or values that are no numbers."""
    series = np.asarray(values, np.float64)
    if series.ndim != 1:
        raise DataError(f"a series has the shape (time,), not {series.shape}", where=where, fix="give one lead: values[0]")
    if not np.isfinite(series).all():
        fix = "fill them in: fill_invalid of trainwright.domains.signals.reading.repair"
        raise DataError("a series holds values that are no numbers", where=where, fix=fix)
    return series


def _radius(series: Array, tolerance: float | None, metric: str) -> tuple[float, float]:
    if metric not in NORMS:
        raise ConfigError(f"there is no distance '{metric}'", where="metric", fix="chebyshev or euclidean")
    if tolerance is not None and not tolerance >= 0:
        raise ConfigError(f"tolerance must be 0 or more, not {tolerance}", where="tolerance", fix="leave it out: 0.2 of the deviation")
    return (SHARE * float(series.std()) if len(series) else 0.0) if tolerance is None else tolerance, NORMS[metric]


def _check(value: int, least: int, name: str) -> None:
    if value < least:
        raise ConfigError(f"{name} must be {least} or more, not {value}", where=name, fix=f"{name}={least}")
