"""What every function of physiology asks of a signal: one channel, a rate, gaps filled, and where it can be used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.reading.repair import fill_invalid

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Channel:
    """One channel that can be filtered."""

    values: Array
    """`(time,)` in float64 without gaps: a line is drawn between the values on both sides of one."""
    usable: Array
    """`(time,)`: whether a value was given there, and the signal is not flat."""
    rate: float
    """Samples a second."""


def read_channel(values: Any, rate: float, where: str, flat_seconds: float = math.inf) -> Channel:
    """A channel `(time,)` checked, its gaps (NaN, infinity) bridged; flat for `flat_seconds` or more is not usable.

    Raises DataError for other shapes and for values that are no numbers, ConfigError for a rate that is none.
    """
    check_rate(rate, where)
    given = np.asarray(values)
    if given.dtype.kind not in "fiub":
        raise DataError(f"a signal is numbers, not {given.dtype}", where=where, fix="give the array of its samples")
    if given.ndim != 1:
        fix = "give one channel: values[0]" if given.ndim == 2 else "give samples (time,)"
        raise DataError(f"one channel has the shape (time,), not {given.shape}", where=where, fix=fix)
    samples: Array = given.astype(np.float64)
    longest = min(max(math.ceil(min(flat_seconds * rate, len(samples))), 2), len(samples))
    usable = np.isfinite(samples) & ~flat(samples, longest)
    return Channel(fill_invalid(samples[None])[0], usable, float(rate))


def check_rate(rate: float, where: str) -> None:
    """Raise ConfigError for a rate that is no number above 0."""
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not math.isfinite(rate) or rate <= 0:
        what = f"{rate!r} is no number of samples a second"
        raise ConfigError(
            what, where=where, why="seconds and frequencies mean nothing without it", fix="give that of the recording: rate=500"
        )


def check_events(events: Any, length: int, where: str) -> Array:
    """R peaks of a signal of `length` samples as int64. Raises DataError for what is outside, no sample, or not ascending."""
    given = np.asarray(events)
    if given.ndim != 1:
        raise DataError(f"R peaks are samples (beats,), not {given.shape}", where=where, fix="give those of rpeaks(values, rate)")
    if not len(given):
        return np.empty(0, np.int64)
    if given.dtype.kind not in "fiu" or not np.isfinite(given).all() or (given != np.floor(given)).any():
        raise DataError("R peaks are whole numbers of samples", where=where, fix="give those of rpeaks(values, rate), not seconds")
    beats = given.astype(np.int64)
    if beats[0] < 0 or beats[-1] >= length or (np.diff(beats) <= 0).any():
        what = f"R peaks from {beats.min()} to {beats.max()} of a signal of {length} samples"
        raise DataError(what, where=where, why="they ascend and lie within it", fix="give those of the same signal, at its rate")
    return beats


def flat(samples: Array, least: int) -> Array:
    """Whether each of `(time,)` stands in a run of `least` or more equal values."""
    if not len(samples):
        return np.zeros(0, bool)
    starts = np.flatnonzero(np.concatenate([[True], samples[1:] != samples[:-1]]))
    lengths = np.diff(np.append(starts, len(samples)))
    return np.repeat(lengths >= least, lengths)


def runs(marked: Array) -> tuple[Array, Array]:
    """First samples of the runs of True in `(time,)`, and the samples after their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return edges[::2].astype(np.int64), edges[1::2].astype(np.int64)
