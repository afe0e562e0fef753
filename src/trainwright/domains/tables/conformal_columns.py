"""Intervals and sets of classes beside predictions: the columns that a calibrated model gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.calibration.conformal import Conformal
from trainwright.features.words import class_values


def conformal_columns(name: str, feature: Any, fitted: Conformal, scores: np.ndarray) -> dict[str, pa.Array]:
    """`<target>_low` and `<target>_high` of a number or vector; `<target>_set` of classes, in their order."""
    if fitted.score in ("lac", "aps"):
        return set_column(name, feature, fitted.contains(scores))
    low, high = fitted.interval(np.asarray(scores, np.float64))
    return bound_columns(name, low, high)


def bound_columns(name: str, low: np.ndarray, high: np.ndarray) -> dict[str, pa.Array]:
    """The two columns of intervals [n] or [n, d]."""
    return {f"{name}_{side}": _numbers(each) for side, each in (("low", low), ("high", high))}


def set_column(name: str, feature: Any, inside: np.ndarray) -> dict[str, pa.Array]:
    """The column of sets, of which classes are inside, bool [n, c]."""
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int32)
    words = class_values(feature.classes, feature.returns).take(pa.array(np.nonzero(inside)[1]))
    return {f"{name}_set": pa.ListArray.from_arrays(pa.array(offsets), words)}


def _numbers(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(np.ascontiguousarray(values))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])
