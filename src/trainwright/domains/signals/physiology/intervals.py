"""Intervals between beats, and the heart rate at every sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.physiology.event_rates import interpolate

Array = np.ndarray[Any, Any]


def rr_intervals(peaks: Array, rate: float) -> Array:
    """Milliseconds from each beat to the next: float64 `(beats - 1,)`, empty for fewer than two.

    `peaks` are samples, ascending, of `rate` a second. Raises DataError where they do not ascend, ConfigError for a rate of 0 or less.
    """
    beats = np.asarray(peaks, np.float64)
    if not rate > 0:
        raise ConfigError(f"rate must be above 0, not {rate}", where="rr_intervals", fix="give the samples a second that peaks count")
    if beats.ndim != 1:
        raise DataError(f"peaks have the shape (beats,), not {beats.shape}", where="rr_intervals", fix="give what rpeaks(…) returns")
    intervals = np.diff(beats) / rate * 1000
    if not (intervals > 0).all():
        why = "beats are samples in the order of time, each once; intervals were given?"
        raise DataError("peaks do not ascend", where="rr_intervals", why=why, fix="give what rpeaks(…) returns")
    return intervals


def heart_rate(peaks: Array, rate: float, length: int) -> Array:
    """Beats a minute at every sample: `(length,)`, a monotone cubic through those at beats, level at the ends, as neurokit2 has it.

    NaN throughout for fewer than four beats. Raises as `rr_intervals`.
    """
    intervals = rr_intervals(peaks, rate) / 1000
    if len(intervals) < 3:
        return np.full(length, np.nan)
    periods = np.concatenate([[intervals.mean()], intervals])
    return np.asarray(60 / interpolate(np.asarray(peaks, np.float64), periods, length))
