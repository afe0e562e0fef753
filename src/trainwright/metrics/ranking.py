"""Metrics of how well scores order the rows, exact with ties, and the curves behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Ordered, mean_defined
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one, ties counting half; NaN unless both occur. bool [n], float [n]."""
    below = np.sort(scores[~positive])
    above = np.sort(scores[positive])  # in order they are found faster, and their sum is of whole numbers
    pairs = len(below) * len(above)
    if not pairs:
        return float("nan")
    wins = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
    return float(wins) / (2.0 * pairs)


def tie_ends(ordered: np.ndarray) -> np.ndarray:
    """Positions of the last row of every run of equal values in sorted values [n]."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def cumulative_counts(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and the score, for deciding at every distinct score, highest first; each [distinct scores]."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = tie_ends(ordered)
    hits = np.cumsum(positive[order])[ends].astype(np.float64)
    return hits, ends + 1.0 - hits, ordered[ends]


def average_precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Sum of precision times the step in recall over distinct scores; NaN without positives. positive bool [n], scores [n]."""
    hits, misses, _ = cumulative_counts(positive, scores)
    if not hits[-1]:
        return float("nan")
    return float((np.diff(hits, prepend=0.0) * hits / (hits + misses)).sum() / hits[-1])


def pr_auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall curve by trapezoids, from recall 0 at precision 1; NaN without positives. positive bool [n].

    Straight lines between points are optimistic (Davis and Goadrich 2006): `average_precision` is the measure to report.
    """
    return float(weighted_pr_auc(positive, scores, np.ones((1, len(scores))))[0])


def weighted_pr_auc(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`pr_auc` [b] when rows count `counts` [b, n] times."""
    order = np.argsort(-scores, kind="stable")
    ends, ordered = tie_ends(scores[order]), counts[:, order]
    hits, total = (np.cumsum(_sum_ties(each, ends), axis=1) for each in (ordered * positive[order], ordered))
    precision = np.where(total > 0, hits / np.maximum(total, 1e-300), 1.0)
    before = np.concatenate([np.ones((len(counts), 1)), precision[:, :-1]], axis=1)
    return (np.diff(hits, prepend=0.0, axis=1) * (precision + before)).sum(axis=1) / (2.0 * hits[:, -1])


def _sum_ties(counts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Counts [b, n] summed over runs of ties that end at `ends`."""
    if len(ends) == counts.shape[1]:
        return counts
    return np.add.reduceat(counts, np.append(0, ends[:-1] + 1), axis=1)


def weighted_roc_auc(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`roc_auc` [b] when rows count `counts` [b, n] times."""
    order = np.argsort(scores, kind="stable")
    ends, ordered = tie_ends(scores[order]), counts[:, order]
    above, below = (_sum_ties(ordered * side[order], ends) for side in (positive, ~positive))
    wins = (above * (np.cumsum(below, axis=1) - below / 2.0)).sum(axis=1)
    return wins / (above.sum(axis=1) * below.sum(axis=1))


def weighted_average_precision(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`average_precision` [b] when rows count `counts` [b, n] times."""
    order = np.argsort(-scores, kind="stable")
    ends, ordered = tie_ends(scores[order]), counts[:, order]
    hits, total = _sum_ties(ordered * positive[order], ends), np.cumsum(_sum_ties(ordered, ends), axis=1)
    precision = np.cumsum(hits, axis=1) / np.maximum(total, 1e-300)
    return (hits * precision).sum(axis=1) / hits.sum(axis=1)


POINTS = 201
"""Points of a curve that are kept, at most."""
MOST_POINTS = 4096
"""Points of all curves of a target together."""


def curve_points(positive: np.ndarray, scores: np.ndarray, points: int) -> dict[str, np.ndarray]:
    """Thresholds, highest first and evenly spread over the rows, and how many rows are positive, and right, at or above each; [points]."""
    ordered, right = np.sort(scores), np.sort(scores[positive])
    places = np.linspace(len(ordered) - 1, 0, points).round().astype(np.int64)
    thresholds = ordered[places]
    above = len(ordered) - np.searchsorted(ordered, thresholds, "left")
    return {"threshold": thresholds, "above": above, "hits": len(right) - np.searchsorted(right, thresholds, "left")}


class _OneAgainstRest(Ordered):
    """A ranking metric of the positive class, or averaged over classes or labels; those that are undefined are left out."""

    def one(self, positive: np.ndarray, scores: np.ndarray) -> float:
        raise NotImplementedError

    def one_weighted(self, positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def measure(self, outcome: Any) -> float:
        if getattr(outcome, "weights", None) is not None:
            return super().measure(outcome)
        if self.options.average == "samples":
            sums = np.sum([self._sum_rows(*block) for block in outcome.row_blocks()], axis=0)
            return float(sums[0] / sums[1])
        if self.options.average == "micro":
            return self.one(*outcome.ranked_together())
        values, positives = self.by_class(outcome)
        return float(mean_defined(values, positives if self.options.average == "weighted" else None))

    def _sum_rows(self, positives: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Sum of the values of rows [n, k], and how many have one: those without a label, or where it is not defined, have none."""
        values = self._of_rows(positives, scores)
        return np.array([np.nansum(values), np.count_nonzero(~np.isnan(values))])

    def _of_rows(self, positives: np.ndarray, scores: np.ndarray) -> np.ndarray:
        pairs = zip(positives, scores, strict=True)
        return np.array([self.one(positive, each) if positive.any() else np.nan for positive, each in pairs])

    def curve(self, positives: int, rows: int, points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The two axes of the metric's curve, from the points of one class."""
        raise NotImplementedError

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each class, and its curve: thresholds and two axes, each [k, points]; none where there are very many classes."""
        values, _ = self.by_class(state)
        points = min(POINTS, len(state), MOST_POINTS // len(values))
        found = {"per_class": values}
        if points < 2:
            return found
        curves = []
        for positive, scores in state.ranked_columns():
            each = curve_points(positive, scores, points)
            curves.append({"threshold": each["threshold"], **self.curve(int(positive.sum()), len(positive), each)})
        return found | {name: np.stack([each[name] for each in curves]) for name in curves[0]}

    def values_by_class(self, outcome: Outcome) -> np.ndarray | None:
        averaged = outcome.kind != BINARY and self.options.average not in ("micro", "samples")
        return self.by_class(outcome)[0] if averaged else None

    def by_class(self, outcome: Any) -> tuple[np.ndarray, np.ndarray]:
        """The value of each class or label, and how many rows are of it, each [k]; one column of scores is looked at at a time."""
        found = [(self.one(positive, scores), positive.sum()) for positive, scores in outcome.ranked_columns()]
        return np.array([value for value, _ in found]), np.array([rows for _, rows in found])

    def weighted(self, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
        positives, ranked = outcome.positives, outcome.ranked
        if self.options.average == "samples":
            return mean_defined(self._of_rows(positives, ranked)[None], counts)
        if self.options.average == "micro":
            return self.one_weighted(positives.ravel(), ranked.ravel(), np.repeat(counts, ranked.shape[1], axis=1))
        values = np.stack([self.one_weighted(positives[:, k], ranked[:, k], counts) for k in range(ranked.shape[1])], axis=1)
        return mean_defined(values, counts @ positives if self.options.average == "weighted" else None)


class ROCAUC(_OneAgainstRest):
    """Area under the ROC curve; one class against the rest for several classes, each label for sets."""

    def one(self, positive: np.ndarray, scores: np.ndarray) -> float:
        return roc_auc(positive, scores)

    def curve(self, positives: int, rows: int, points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        hits, misses = points["hits"], points["above"] - points["hits"]
        return {"true_positive_rate": np.divide(hits, positives), "false_positive_rate": np.divide(misses, rows - positives)}

    def one_weighted(self, positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return weighted_roc_auc(positive, scores, counts)


class AveragePrecision(_OneAgainstRest):
    """Area under the precision-recall curve taken as steps; one class against the rest for several classes, each label for sets."""

    def one(self, positive: np.ndarray, scores: np.ndarray) -> float:
        return average_precision(positive, scores)

    def curve(self, positives: int, rows: int, points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"precision": points["hits"] / points["above"], "recall": np.divide(points["hits"], positives)}

    def one_weighted(self, positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return weighted_average_precision(positive, scores, counts)


class PRAUC(AveragePrecision):
    """Area under the precision-recall curve by trapezoids; one class against the rest for several classes, each label for sets."""

    def one(self, positive: np.ndarray, scores: np.ndarray) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            return pr_auc(positive, scores)

    def one_weighted(self, positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return weighted_pr_auc(positive, scores, counts)
