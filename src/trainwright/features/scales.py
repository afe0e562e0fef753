"""How numbers are scaled: each scale is fitted to a plain dict and then maps float64 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.features.statistics import Moments, normal_quantile, quantiles, skewness, thin

TABLE = 1_000
"""Quantiles kept by the quantile scale (as scikit-learn's QuantileTransformer)."""
FEW = 24
"""A column with at most so many distinct values is not mapped to quantiles."""


SMALLEST = 1e-30
"""Of the whole range of a column: an interquartile range below it counts as none."""


class Affine:
    """(x - center) / spread."""

    def __init__(self, fitted: dict[str, Any]) -> None:
        self.center, self.spread = fitted["center"], fitted["spread"]

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Scaled float64 values."""
        return np.divide(numbers - self.center, self.spread)


class Standard(Affine):
    """Mean 0 and (population) standard deviation 1 over the training rows."""

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        return affine("standard", float(moments.mean), float(moments.deviation), len(ordered))


class MinMax(Affine):
    """From 0 to 1 over the training rows."""

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        return affine("minmax", float(moments.low), float(moments.high) - float(moments.low), len(ordered))


class Robust(Affine):
    """Median 0 and interquartile range 1 over the training rows."""

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        low, middle, high = quantiles(ordered, np.array([0.25, 0.5, 0.75])).tolist()
        spread = high - low
        if len(ordered) and spread < SMALLEST * (float(moments.high) - float(moments.low)):
            spread = 0.0  # divided by it, the largest values would leave the range of float32
        return affine("robust", middle, spread, len(ordered))


class Unscaled(Affine):
    """As they are."""

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        return affine("none", 0.0, 1.0, len(ordered))


class Log(Affine):
    """sign(x)·log(1 + |x|), standardised."""

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        logs = signed_log(ordered)
        return affine("log", float(logs.mean()) if len(logs) else 0.0, float(logs.std()) if len(logs) else 1.0, len(ordered))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Scaled float64 values."""
        return super().__call__(signed_log(numbers))


class Quantile:
    """The share of training values below, uniform on [0, 1] or as a normal score; equal values get the middle of their range.

    Between its ends this is scikit-learn's QuantileTransformer. The ends differ on purpose: there, the smallest value maps to -5.2 even
    when half of the rows have it; here it gets the middle of its range too, and shares stop half a table step from 0 and 1 (±3.3).
    """

    @classmethod
    def fit(cls, ordered: np.ndarray, moments: Moments, output: str) -> dict[str, Any]:
        """The fitted scale."""
        size = max(min(TABLE, len(ordered)), 2)
        table = quantiles(ordered, np.linspace(0, 1, size))
        return {"kind": "quantile", "output": output, "table": np.maximum.accumulate(table).tolist()}

    def __init__(self, fitted: dict[str, Any]) -> None:
        self.normal = fitted["output"] == "normal"
        table = np.array(fitted["table"])
        shares = np.linspace(0, 1, len(table))
        self.knots, first, lengths = np.unique(table, return_index=True, return_counts=True)
        low, high = shares[first], shares[first + lengths - 1]
        self.middle, self.above = (low + high) / 2, high
        widths = np.diff(self.knots)
        self.slope = np.append((low[1:] - high[:-1]) / widths if len(widths) else [], 0.0)
        self.bound = 0.5 / len(table)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Scaled float64 values."""
        inside = np.clip(numbers, self.knots[0], self.knots[-1])
        at = np.searchsorted(self.knots, inside, side="right") - 1
        distance = inside - self.knots[at]
        shares = np.where(distance == 0, self.middle[at], self.above[at] + distance * self.slope[at])
        return normal_quantile(np.clip(shares, self.bound, 1 - self.bound)) if self.normal else shares


SCALES: dict[str, Any] = {"standard": Standard, "minmax": MinMax, "quantile": Quantile, "log": Log, "robust": Robust, "none": Unscaled}


def scaler(kind: str) -> Any:
    """The class of a scale by its option name."""
    return SCALES[kind]


def affine(kind: str, center: float, spread: float, count: int) -> dict[str, Any]:
    """A fitted affine scale; a spread of 0 becomes 1, so constant columns are 0, and a column without values is left as it is."""
    if not count:
        return {"kind": kind, "center": 0.0, "spread": 1.0}
    return {"kind": kind, "center": center, "spread": spread if spread > 0 else 1.0}


def signed_log(numbers: np.ndarray) -> np.ndarray:
    """sign(x)·log(1 + |x|)."""
    return np.copysign(np.log1p(np.abs(numbers)), numbers)


def heavy(ordered: np.ndarray) -> bool:
    """Whether sorted values are so skewed or so far out (|z| above 6) that a linear scale would squeeze most of them together."""
    thinned = thin(ordered)
    if np.count_nonzero(np.diff(thinned)) < FEW:
        return False
    mean, deviation = float(thinned.mean()), float(thinned.std())
    return abs(skewness(thinned)) > 1.5 or max(mean - ordered[0], ordered[-1] - mean) > 6 * deviation
