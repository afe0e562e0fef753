"""What is told of each class of a target by itself: counts of decisions, curves of thresholds, and the classes that a split lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.outcome import Outcome
from trainwright.metrics.ranking import cumulative_counts
from trainwright.metrics.table import BINARY, CATEGORY, SET

POINTS = 60
"""Points of a curve of thresholds."""
MOST_NAMED = 200
"""Classes without a row, or with all rows, that are named."""


def column_of(outcome: Outcome, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are of class or label k, and its scores; of two classes of the positive one. Nothing of other classes is made."""
    if outcome.kind == BINARY:
        return outcome.truth == 1, outcome.scores[:, 1]
    positive = outcome.truth[:, k] if outcome.kind == SET else outcome.truth == k
    return positive, outcome.scores[:, k]


def count_rows(outcome: Outcome) -> np.ndarray:
    """How many rows each class or label has."""
    counts: np.ndarray = outcome.truth.sum(axis=0) if outcome.kind == SET else np.bincount(outcome.truth, minlength=outcome.width)
    return counts


def one_sided(outcome: Outcome) -> dict[str, Any]:
    """The names of classes that no row has, and of labels that every row has: nothing of them can be ranked."""
    counts = count_rows(outcome)
    groups = {"absent": np.flatnonzero(counts == 0), "everywhere": np.flatnonzero(counts == len(outcome))}
    found: dict[str, Any] = {name: [outcome.class_name(k) for k in places[:MOST_NAMED]] for name, places in groups.items()}
    return found | {f"{name}_count": len(places) for name, places in groups.items()}


def each_class(outcome: Outcome, shown: np.ndarray) -> list[dict[str, Any]]:
    """Of each of these classes rows, share, counts of decisions and threshold; unless the likeliest of several is taken, curves over it."""
    decided = outcome.truth if outcome.kind == BINARY else None
    found = []
    for k in shown.tolist():
        positive, scores = column_of(outcome, k)
        hits, predicted, actual = count_decisions(outcome, k)
        name = outcome.class_name(1 if decided is not None else k)
        each: dict[str, Any] = {"class": name, "rows": actual, "of": len(outcome), "share": actual / len(outcome)}
        counts = {"tp": hits, "fn": actual - hits, "fp": predicted - hits, "tn": len(outcome) - actual - predicted + hits}
        each |= counts | _at(counts)
        if outcome.kind != CATEGORY:
            each |= {"threshold": float(np.broadcast_to(outcome.threshold, outcome.width)[k]), "over": thresholds(positive, scores)}
        found.append(each)
    return found


def count_decisions(outcome: Outcome, k: int) -> tuple[int, int, int]:
    """Rows that are rightly called k, that are called k, and that are of k."""
    positive, scores = column_of(outcome, k)
    chosen = _chosen(outcome, k, scores)
    return int((positive & chosen).sum()), int(chosen.sum()), int(positive.sum())


def _chosen(outcome: Outcome, k: int, scores: np.ndarray) -> np.ndarray:
    """The rows that are called k."""
    if outcome.kind == CATEGORY:
        found: np.ndarray = outcome.labels == k
        return found
    return scores >= np.broadcast_to(outcome.threshold, outcome.width)[k]


def _at(counts: dict[str, int]) -> dict[str, float | None]:
    """Precision, recall, false positive rate and F1 of counts; None where there is nothing to divide by."""
    tp, fn, fp, tn = counts["tp"], counts["fn"], counts["fp"], counts["tn"]
    ratios = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "fpr": (fp, fp + tn), "f1": (2 * tp, 2 * tp + fp + fn)}
    return {name: above / below if below else None for name, (above, below) in ratios.items()}


def thresholds(positive: np.ndarray, scores: np.ndarray) -> dict[str, list[float]] | None:
    """Precision, recall and F1 of deciding at a probability or above, over at most 60 probabilities from 0 to 1; None without positives.

    A row is positive from its own score on, so between two scores all three stay the same.
    """
    if not positive.any():
        return None
    hits, misses, cuts = cumulative_counts(positive, scores)
    wanted = np.unique(np.concatenate([np.arange(26) / 25, np.quantile(scores, np.linspace(0, 1, POINTS // 2), method="lower")]).clip(0, 1))
    place = np.searchsorted(-cuts, -wanted, side="right") - 1  # the last cut that is not below
    there = place >= 0
    kept, wanted = place[there], wanted[there]
    precision, recall = hits[kept] / (hits[kept] + misses[kept]), hits[kept] / hits[-1]
    f1 = 2 * hits[kept] / (hits[kept] + misses[kept] + hits[-1])
    named = {"threshold": wanted, "precision": precision, "recall": recall, "f1": f1}
    return {name: [float(f"{each:.6g}") for each in values.tolist()] for name, values in named.items()}
