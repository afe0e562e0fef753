"""The probability from which a row is called positive: the best cut between scores, by a metric, exactly or over a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainwright.calibration.criteria import Counts, Criterion, criterion
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.ranking import tie_ends
from trainwright.metrics.table import BINARY

HALF = 0.5
TUNED = 512
"""Cuts at most that `threshold: tuned` looks at."""


@dataclass(frozen=True)
class Threshold:
    """A threshold with what it is worth on the rows it was chosen on."""

    threshold: float
    value: float
    """The metric there; NaN where it is undefined everywhere."""
    at_half: float
    """The metric at 0.5."""
    rows: int
    positives: int
    note: str = ""
    """Why it stayed at 0.5, where it did for want of rows."""


def search_threshold(
    positive: np.ndarray,
    scores: np.ndarray,
    metric: Criterion | str = "f1",
    *,
    candidates: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Threshold:
    """The threshold t, of `score ≥ t`, where the metric is best; positive bool [n], scores 0 to 1 [n], weights of 0 or more [n].

    Exact: 0.5 and one cut between every two neighbouring distinct scores, below the lowest and above the highest, counted in O(n log n).
    With `candidates` those probabilities instead. Of equally good ones the nearest to 0.5 is taken. Stays at 0.5, with a note, where
    rows of one side are absent. Raises ValueError for shapes that differ, and scores that are not finite.
    """
    positive, scores = np.asarray(positive, bool), np.asarray(scores, np.float64)
    if positive.shape != scores.shape or positive.ndim != 1:
        raise ValueError(f"positive {positive.shape} and scores {scores.shape} must be rows of one column")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    measure = criterion(metric) if isinstance(metric, str) else metric
    absent = why_absent(positive)
    if absent:
        return Threshold(HALF, math.nan, math.nan, len(scores), int(positive.sum()), absent)
    candidates = cuts(scores) if candidates is None else np.asarray(candidates, np.float64)
    values = measure(counts_at(positive, scores, candidates, weights))
    half = float(measure(counts_at(positive, scores, np.array([HALF]), weights))[0])
    if np.isnan(values).all():
        return Threshold(HALF, math.nan, measure.shown(half), len(scores), int(positive.sum()), f"{measure.name} is undefined at every cut")
    best = np.flatnonzero(values == np.nanmax(values))
    chosen = best[np.argmin(np.abs(candidates[best] - HALF))]
    return Threshold(float(candidates[chosen]), measure.shown(float(values[chosen])), measure.shown(half), len(scores), int(positive.sum()))


def search_thresholds(
    positives: np.ndarray,
    scores: np.ndarray,
    metric: Criterion | str = "f1",
    *,
    shared: bool = False,
    candidates: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> list[Threshold]:
    """One threshold for each column of labels [n, k]; `shared`: one for all, of the decisions of all labels together, k times."""
    positives, scores = np.asarray(positives, bool), np.asarray(scores, np.float64)
    if positives.shape != scores.shape or positives.ndim != 2:
        raise ValueError(f"positives {positives.shape} and scores {scores.shape} must be rows of several columns")
    if shared:
        spread = None if weights is None else np.repeat(weights, scores.shape[1])
        return [search_threshold(positives.ravel(), scores.ravel(), metric, candidates=candidates, weights=spread)] * scores.shape[1]
    columns = range(scores.shape[1])
    return [search_threshold(positives[:, k], scores[:, k], metric, candidates=candidates, weights=weights) for k in columns]


def cuts(scores: np.ndarray, most: int | None = None, ends: bool = True) -> np.ndarray:
    """0.5 and a number between every two neighbouring distinct scores (at most `most`, evenly spaced in rank), ascending.

    With `ends` also a cut below the lowest score and one above the highest.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    distinct = ordered[tie_ends(ordered)]
    middles = (distinct[1:] + distinct[:-1]) / 2.0
    middles = np.where(middles > distinct[:-1], middles, distinct[1:])  # neighbours in floating point have no middle
    if most is not None and len(middles) > most:
        middles = middles[np.linspace(0, len(middles) - 1, most).round().astype(int)]
    outer = [0.0, max((distinct[-1] + 1.0) / 2.0, float(np.nextafter(distinct[-1], np.inf)))] if ends else []
    return np.unique(np.concatenate([[HALF, *outer], middles]))


def counts_at(positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, weights: np.ndarray | None = None) -> Counts:
    """True and false positives, false and true negatives when rows from each threshold up are called positive, each [thresholds]."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    counted = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)[order]
    right, wrong = (np.append(0.0, np.cumsum(counted * side[order])) for side in (positive, ~positive))
    below = np.searchsorted(ordered, thresholds, "left")
    return right[-1] - right[below], wrong[-1] - wrong[below], right[below], wrong[below]


def grid_points(first: float, last: float, step: float) -> np.ndarray:
    """The probabilities from the first to the last by steps, both ends among them where the step fits."""
    return np.round(first + step * np.arange(math.floor((last - first) / step + 1e-9) + 1), 12)


def why_absent(positive: np.ndarray) -> str:
    """Why no cut can be chosen by these rows; empty where both sides are there."""
    if not len(positive):
        return "there are no rows"
    return "" if positive.any() and not positive.all() else f"no row is {'negative' if positive.all() else 'positive'}"


def tuned_threshold(outcome: Outcome, metric: str = "f1") -> Threshold:
    """What `threshold: tuned` of a binary target means: of 0.5 and at most 512 cuts between scores, evenly spaced in rank, the best.

    Stays at 0.5 where the metric is undefined, or a score is not finite. Raises ValueError for other kinds of target.
    """
    if outcome.kind != BINARY:
        raise ValueError(f"a threshold is chosen for binary targets, not for {outcome.kind}")
    if not outcome.usable:
        return Threshold(HALF, math.nan, math.nan, len(outcome), 0, "a score is not finite")
    scores = outcome.scores[:, 1]
    return search_threshold(outcome.truth == 1, scores, metric, candidates=cuts(scores, TUNED, ends=False), weights=outcome.weights)
