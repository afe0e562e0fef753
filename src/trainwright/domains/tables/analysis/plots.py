"""What the plots of one target are drawn from: confusion, ROC, precision and recall, calibration, residuals."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.calibration.diagram import bins, label_bins
from trainwright.domains.tables.analysis.by_class import column_of, count_decisions, count_rows, each_class, one_sided
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.ranking import average_precision, cumulative_counts, roc_auc
from trainwright.metrics.table import BINARY, CLASSES, SET, VALUES, VECTOR

CURVE_POINTS = 200
MOST_CLASSES = 100
MOST_POINTS = 2000
HISTOGRAM_BINS = 40


def describe(outcome: Outcome, threshold_metric: str | None = None) -> dict[str, Any]:
    """What is known of one target's predictions; plots that do not apply, or whose scores are not finite, are null or empty."""
    found: dict[str, Any] = {"kind": outcome.kind, "rows": len(outcome), "classes": _names(outcome), "confusion": None, "roc": [], "pr": []}
    found |= {"calibration": None, "per_class": [], "predicted_vs_true": None, "residuals": None, "elements": [], "threshold": None}
    found |= {"each": [], "one_sided": None}
    if not outcome.usable:
        return found
    if outcome.kind in VALUES:
        return found | values(outcome)
    if outcome.kind in CLASSES:
        found["confusion"], found["classes"] = confusion(outcome)
    shown = np.array([1]) if outcome.kind == BINARY else frequent_classes(outcome)
    for k in shown.tolist():
        positive, scores = column_of(outcome, k)
        found["roc"] += [each] if (each := roc(positive, scores, outcome.class_name(k))) else []
        found["pr"] += [each] if (each := precision_recall(positive, scores, outcome.class_name(k))) else []
    found["calibration"], found["per_class"] = calibration(outcome), per_class(outcome)
    found["each"], found["one_sided"] = each_class(outcome, shown), one_sided(outcome)
    if outcome.kind == BINARY:
        found["threshold"] = {"value": outcome.threshold, "metric": threshold_metric, "table": threshold_table(outcome)}
    return found


def _names(outcome: Outcome) -> list[str] | None:
    return None if outcome.kind in VALUES else [outcome.class_name(k) for k in range(outcome.width)]


def frequent_classes(outcome: Outcome) -> np.ndarray:
    """The most frequent classes or labels, at most 100, in their order."""
    return np.sort(np.argsort(-count_rows(outcome), kind="stable")[:MOST_CLASSES])


def confusion(outcome: Outcome) -> tuple[list[list[int]], list[str]]:
    """Counts by true (rows) and predicted class (columns) and the names; beyond 100 classes the rarest are one, named by their number."""
    width, names = outcome.width, [outcome.class_name(k) for k in range(outcome.width)]
    place = np.arange(width)
    if width > MOST_CLASSES:
        kept = np.sort(np.argsort(-np.bincount(outcome.truth, minlength=width), kind="stable")[: MOST_CLASSES - 1])
        place = np.full(width, len(kept))
        place[kept] = np.arange(len(kept))
        names = [*(names[k] for k in kept), f"{width - len(kept)} other classes"]
    cells = place[outcome.truth] * len(names) + place[outcome.labels]
    return np.bincount(cells, minlength=len(names) ** 2).reshape(len(names), len(names)).tolist(), names


def roc(positive: np.ndarray, scores: np.ndarray, name: str) -> dict[str, Any] | None:
    """The ROC curve from (0, 0) to (1, 1) in at most 200 points; None unless both classes occur."""
    if not 0 < positive.sum() < len(positive):
        return None
    hits, misses, _ = cumulative_counts(positive, scores)
    tpr, fpr = np.append(0.0, hits / hits[-1]), np.append(0.0, misses / misses[-1])
    kept = along(fpr, tpr)
    return {"class": name, "fpr": round_numbers(fpr[kept]), "tpr": round_numbers(tpr[kept]), "auc": roc_auc(positive, scores)}


def precision_recall(positive: np.ndarray, scores: np.ndarray, name: str) -> dict[str, Any] | None:
    """The precision-recall curve, recall ascending, in at most 200 points; None without positives."""
    if not positive.any():
        return None
    hits, misses, _ = cumulative_counts(positive, scores)
    precision, recall = hits / (hits + misses), hits / hits[-1]
    # beyond the threshold that finds them all, lower ones only lose precision
    last = int(np.argmax(recall >= 1.0)) + 1
    precision, recall = np.append(precision[0], precision[:last]), np.append(0.0, recall[:last])
    kept = along(recall, precision)
    area = average_precision(positive, scores)
    return {
        "class": name,
        "precision": round_numbers(precision[kept]),
        "recall": round_numbers(recall[kept]),
        "ap": area,
        "share": float(positive.mean()),
    }


def along(x: np.ndarray, y: np.ndarray, points: int = CURVE_POINTS) -> np.ndarray:
    """Indices of at most `points` points of a curve, evenly spaced along its length, both ends among them."""
    if len(x) <= points:
        return np.arange(len(x))
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    return np.unique(np.append(np.searchsorted(length, np.linspace(0.0, length[-1], points - 1)), [0, len(x) - 1]).clip(0, len(x) - 1))[
        :points
    ]


def calibration(outcome: Outcome) -> dict[str, Any]:
    """Mean forecast and frequency in 15 bins of equal width (empty ones left out), and the expected calibration error over them."""
    found = label_bins(outcome) if outcome.kind == SET else bins(outcome)
    gaps = sum(each["count"] * abs(each["confidence"] - each["frequency"]) for each in found)
    return {"bins": found, "ece": gaps / sum(each["count"] for each in found)}


def per_class(outcome: Outcome) -> list[dict[str, Any]]:
    """Rows, precision, recall and F1 of every class or label (null where undefined), at most the 100 most frequent."""
    width = outcome.width
    if outcome.kind == SET:
        counts = list(np.array([count_decisions(outcome, k) for k in range(width)]).T)
    else:
        hit = outcome.truth[outcome.truth == outcome.labels]
        counts = [np.bincount(each, minlength=width) for each in (hit, outcome.labels, outcome.truth)]
    hits, predicted, actual = counts
    found = []
    for k in np.sort(np.argsort(-actual, kind="stable")[:MOST_CLASSES]):
        ratios = {"precision": (hits[k], predicted[k]), "recall": (hits[k], actual[k]), "f1": (2 * hits[k], predicted[k] + actual[k])}
        values_ = {name: float(above / below) if below else None for name, (above, below) in ratios.items()}
        found.append({"class": outcome.class_name(k), "rows": int(actual[k]), **values_})
    return found


def threshold_table(outcome: Outcome) -> list[dict[str, float | None]]:
    """What a binary target's decision would be worth at thresholds 0.05 to 0.95."""
    positive, scores = outcome.truth == 1, outcome.scores[:, 1]
    total = int(positive.sum())
    table = []
    for threshold in np.linspace(0.05, 0.95, 19):
        chosen = scores >= threshold
        hits, predicted = int((chosen & positive).sum()), int(chosen.sum())
        right = hits + len(outcome) - total - (predicted - hits)
        ratios = {
            "precision": (hits, predicted),
            "recall": (hits, total),
            "f1": (2 * hits, predicted + total),
            "accuracy": (right, len(outcome)),
        }
        row: dict[str, float | None] = {name: above / below if below else None for name, (above, below) in ratios.items()}
        table.append({"threshold": round(float(threshold), 2), "share": predicted / len(outcome), **row})
    return table


def values(outcome: Outcome) -> dict[str, Any]:
    """Points, residuals and, for vectors, the error of each element."""
    truth, scores = outcome.columns()
    flat_truth, flat_scores = truth.ravel(), scores.ravel()
    kept = np.arange(len(flat_truth))
    if len(kept) > MOST_POINTS:
        kept = np.sort(np.random.default_rng(0).choice(len(flat_truth), MOST_POINTS, replace=False))
    points = {"truth": round_numbers(flat_truth[kept]), "prediction": round_numbers(flat_scores[kept])}
    found: dict[str, Any] = {"predicted_vs_true": points, "residuals": residuals(flat_scores - flat_truth)}
    if outcome.kind == VECTOR:
        errors = np.sqrt(((scores - truth) ** 2).mean(axis=0))
        found["elements"] = [{"element": k, "rmse": float(error)} for k, error in enumerate(errors[:MOST_CLASSES])]
    return found


def residuals(errors: np.ndarray) -> dict[str, Any]:
    """A histogram of prediction - truth; the outermost 0.2 % on either side count in the end bins, so that one row cannot flatten it."""
    low, high = np.quantile(errors, [0.002, 0.998]) if len(errors) >= 1000 else (errors.min(), errors.max())
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or high == low:
        # all the same but for rounding: one bar in the middle
        low, high = low - max(size * 1e-6, 1e-6), high + max(size * 1e-6, 1e-6)
    bins = int(np.clip(np.sqrt(len(errors)), 5, HISTOGRAM_BINS))
    counts, edges = np.histogram(np.clip(errors, low, high), bins=bins, range=(low, high))
    outside = int(((errors < low) | (errors > high)).sum())
    return {"edges": edges.tolist(), "counts": counts.tolist(), "outside": outside, "mean": float(errors.mean())}


def round_numbers(numbers: np.ndarray, digits: int = 6) -> list[float]:
    """Numbers with about six significant digits: enough to draw, half the bytes."""
    return [float(f"{each:.{digits}g}") for each in numbers.tolist()]
