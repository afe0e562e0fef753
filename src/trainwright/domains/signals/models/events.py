"""Events in time: from marks to a class at every frame and back, and how many were found within a tolerance.

A target `file` with a class at every frame and the decoder `positions` learn them; peaks of the probabilities are the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainwright.config.errors import ConfigError


class EventScores(NamedTuple):
    """How well events were found; a share of nothing is NaN."""

    found: int
    """True events that one was found for."""
    missed: int
    """True events that none was found for."""
    false: int
    """Found events that no true one is near."""

    @property
    def sensitivity(self) -> float:
        """Found by true events (recall)."""
        return self.found / (self.found + self.missed) if self.found + self.missed else float("nan")

    @property
    def precision(self) -> float:
        """Found by all that were given (positive predictivity, +P)."""
        return self.found / (self.found + self.false) if self.found + self.false else float("nan")

    @property
    def f1(self) -> float:
        """2 · found / (2 · found + missed + false)."""
        both = 2 * self.found + self.missed + self.false
        return 2 * self.found / both if both else float("nan")


def mark_frames(times: Sequence[float] | np.ndarray, frames: int, rate: float, width: float = 0.0) -> np.ndarray:
    """Times (s) as 1 at every frame (`rate` a second) within `width` / 2 (s) of one, at least the nearest, else 0: uint8 `(frames,)`.

    Raises ConfigError for a rate that is not above 0.
    """
    if not rate > 0:
        raise ConfigError(f"rate must be above 0, not {rate}", where="mark_frames", fix="give frames a second")
    found = np.zeros(frames, np.uint8)
    for time in np.asarray(times, np.float64).tolist():
        first, last = round((time - width / 2) * rate), round((time + width / 2) * rate)
        found[max(first, 0) : max(last + 1, 0)] = 1
    return found


def pick_events(scores: np.ndarray, rate: float, threshold: float = 0.5, distance: float = 0.0) -> np.ndarray:
    """Times (s) of the peaks of `scores` `(frames,)` of at least `threshold`, the greatest first among those closer than `distance` (s).

    A peak is no smaller than its neighbours; of a plateau it is the middle. None is a result: an empty array. Raises ConfigError for a
    rate that is not above 0.
    """
    if not rate > 0:
        raise ConfigError(f"rate must be above 0, not {rate}", where="pick_events", fix="give frames a second")
    from scipy.signal import find_peaks

    padded = np.concatenate([[-np.inf], np.asarray(scores, np.float64), [-np.inf]])
    peaks, _ = find_peaks(padded, height=threshold, distance=max(distance * rate, 1.0))
    return (peaks - 1) / rate


def match_events(found: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray, tolerance: float) -> EventScores:
    """Found and true times (s, each ascending) one to one, as many as there can be within `tolerance` (s)."""
    ours, theirs = np.sort(np.asarray(found, np.float64)), np.sort(np.asarray(true, np.float64))
    at = matched = 0
    for time in theirs.tolist():  # the first that is not too early is the best for the next ones too
        while at < len(ours) and ours[at] < time - tolerance:
            at += 1
        if at < len(ours) and ours[at] <= time + tolerance:
            matched, at = matched + 1, at + 1
    return EventScores(matched, len(theirs) - matched, len(ours) - matched)
