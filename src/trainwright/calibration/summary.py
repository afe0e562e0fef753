"""What a calibration is worth on rows that took no part in it: before and after, in numbers that JSON holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.calibration.conformal import Conformal
from trainwright.calibration.criteria import Criterion
from trainwright.calibration.diagram import reliability
from trainwright.calibration.fitted import Calibrated
from trainwright.calibration.fitting import Labelled
from trainwright.calibration.thresholds import counts_at
from trainwright.calibration.together import Together
from trainwright.metrics.table import CLASSES


def summarise(calibrated: Calibrated, before: Labelled, after: Labelled, measure: Criterion | Together | None = None) -> dict[str, Any]:
    """Rows, and of each method what it changes: NLL, ECE and Brier score, the metric of thresholds, coverage and width or size.

    `before` has the scores of the model as it was trained, `after` those of the calibrated one, for the same rows.
    """
    found: dict[str, Any] = {"rows": len(after.truth)}
    if calibrated.scaling is not None:
        found |= {"before": reliability(before.outcome()), "after": reliability(after.outcome())}
    if calibrated.thresholds and measure is not None:
        found |= (
            {"decided": decisions(calibrated, after, measure)} if isinstance(measure, Criterion) else together(calibrated, after, measure)
        )
    if calibrated.conformal is not None:
        found["conformal"] = coverage(calibrated.conformal, after)
    return found


def decisions(calibrated: Calibrated, rows: Labelled, measure: Criterion) -> list[dict[str, Any]]:
    """Of each label (the positive class of two) the metric at 0.5 and at its threshold, of these rows."""
    outcome, found = rows.outcome(), []
    for place, (positive, scores) in enumerate(outcome.ranked_columns()):
        chosen = calibrated.thresholds[min(place, len(calibrated.thresholds) - 1)]
        values = measure(counts_at(positive, scores, np.array([0.5, chosen.threshold]), rows.weights))
        name = outcome.class_name(1 if rows.kind in CLASSES else place)
        found.append(
            {"label": name, "positives": int(positive.sum()), "at_half": measure.shown(values[0]), "value": measure.shown(values[1])}
        )
    return found


def together(calibrated: Calibrated, rows: Labelled, measure: Together) -> dict[str, Any]:
    """The metric of the whole set at 0.5 and at the thresholds of all labels, and the labels that they are of."""
    outcome = rows.outcome()
    half, chosen = (
        measure.value(outcome.at_threshold(each)) for each in (0.5, np.array([each.threshold for each in calibrated.thresholds]))
    )
    labels = [{"label": outcome.class_name(place), "positives": int(count)} for place, count in enumerate(outcome.truth.sum(axis=0))]
    return {"decided": labels, "together": {"at_half": half, "value": chosen}}


def coverage(fitted: Conformal, rows: Labelled) -> dict[str, Any]:
    """The share of rows (of a vector, of its numbers) whose truth is inside, and how wide intervals or how large sets are."""
    if rows.kind in CLASSES:
        inside = fitted.contains(rows.outcome().scores)
        sizes = inside.sum(axis=1)
        hit = inside[np.arange(len(inside)), rows.truth.astype(np.int64)]
        return {"coverage": _mean(hit), "mean_size": _mean(sizes), "empty": _mean(sizes == 0), "single": _mean(sizes == 1)}
    given: Any = rows.quantiles if fitted.score == "quantile" else np.asarray(rows.scores, np.float64)
    low, high = fitted.interval(given, rows.sigma)
    hit = (low <= rows.truth) & (rows.truth <= high)
    return {"coverage": _mean(hit), "mean_width": _mean(np.maximum(high - low, 0.0))}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if np.size(values) else float("nan")
