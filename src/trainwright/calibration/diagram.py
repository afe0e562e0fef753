"""How honest probabilities are: what was said beside what came true, and the numbers that sum it up."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.evaluate import compute
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.probabilities import confidence_and_hit
from trainwright.metrics.table import SET

BINS = 15


def reliability(outcome: Outcome) -> dict[str, Any]:
    """`{"nll", "ece", "brier", "bins": [{"confidence", "frequency", "count"}]}` of classes, or of all label decisions of a set.

    15 bins of equal width: of the positive class for two classes, of the likeliest for several. NaN for no rows. (Naeini et al. 2015)
    """
    flat = as_decisions(outcome)
    found = compute(flat, ["log_loss", "ece", "brier"])
    return {"nll": found["log_loss"], "ece": found["ece"], "brier": found["brier"], "bins": bins(flat)}


def as_decisions(outcome: Outcome) -> Outcome:
    """An outcome of a set with each label of each row as a decision of two classes; others as they are."""
    if outcome.kind != SET:
        return outcome
    weights = None if outcome.weights is None else np.repeat(outcome.weights, outcome.width)
    return Outcome("binary", outcome.truth.ravel().astype(np.int64), outcome.scores.ravel(), weights=weights)


def bins(outcome: Outcome) -> list[dict[str, float]]:
    """Mean probability, frequency and weight of the rows of every bin that has some."""
    if not outcome.usable:
        return []
    confidence, hit = confidence_and_hit(outcome)
    counted = np.ones(len(outcome)) if outcome.weights is None else outcome.weights
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count, said, came = (np.bincount(place, counted * each, BINS) for each in (np.ones_like(hit), confidence, hit))
    return [{"confidence": said[k] / count[k], "frequency": came[k] / count[k], "count": float(count[k])} for k in np.flatnonzero(count)]


def label_bins(outcome: Outcome) -> list[dict[str, float]]:
    """The bins of all label decisions of a set, one label after the other, so that nothing as large as the scores is made."""
    totals = np.zeros((3, BINS))
    counted = np.ones(len(outcome)) if outcome.weights is None else outcome.weights
    for label in range(outcome.width if outcome.usable else 0):
        said, came = outcome.scores[:, label], outcome.truth[:, label]
        place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
        totals += [np.bincount(place, counted * each, BINS) for each in (np.ones_like(said), said, came)]
    count, said, came = totals
    return [{"confidence": said[k] / count[k], "frequency": came[k] / count[k], "count": float(count[k])} for k in np.flatnonzero(count)]
