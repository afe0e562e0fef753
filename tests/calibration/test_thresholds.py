"""The exact search beside brute force over all cuts and scikit-learn's curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.calibration import criterion, search_threshold, search_thresholds, tuned_threshold
from trainwright.calibration.criteria import METRICS
from trainwright.calibration.thresholds import grid_points
from trainwright.config.errors import ConfigError
from trainwright.metrics import Outcome, compute_one


def by_hand(name: str, truth: np.ndarray, said: np.ndarray) -> float:
    """The metric of decisions, by scikit-learn or by its definition; NaN where it is undefined."""
    from sklearn import metrics

    tp, fp = int((said & truth).sum()), int((said & ~truth).sum())
    fn, tn = int((~said & truth).sum()), int((~said & ~truth).sum())
    precision, recall = tp / (tp + fp) if tp + fp else math.nan, tp / (tp + fn)
    found: dict[str, Any] = {
        "f1": lambda: metrics.f1_score(truth, said, zero_division=0),
        "f_beta": lambda: metrics.fbeta_score(truth, said, beta=2.0, zero_division=0),
        "accuracy": lambda: metrics.accuracy_score(truth, said),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(truth, said),
        "youden": lambda: recall + tn / (tn + fp) - 1,
        "mcc": lambda: metrics.matthews_corrcoef(truth, said),
        "kappa": lambda: metrics.cohen_kappa_score(truth, said),
        "precision_at_recall": lambda: precision if recall >= 0.9 else math.nan,
        "recall_at_precision": lambda: recall if precision >= 0.9 else math.nan,
        "cost": lambda: -(2.0 * fp + 5.0 * fn),
    }
    return float(found[name]())


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), rows=st.integers(2, 40), ties=st.booleans())
def test_the_exact_search_finds_what_brute_force_over_all_cuts_finds(name: str, seed: int, rows: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(rows)
    scores = np.round(scores, 1) if ties else scores
    truth = rng.random(rows) < 0.2 + 0.6 * scores
    truth[:2] = [True, False]
    measure = criterion(name, false_positive=2.0, false_negative=5.0)
    found = search_threshold(truth, scores, measure)
    every = [by_hand(name, truth, scores >= cut) for cut in [*np.unique(scores), 2.0]]
    best = np.nanmax(every) if not np.isnan(every).all() else math.nan
    assert measure.shown(found.value) == pytest.approx(best, abs=1e-12, nan_ok=True)
    if not math.isnan(best):
        assert by_hand(name, truth, scores >= found.threshold) == pytest.approx(best, abs=1e-12)


def test_the_best_f1_is_the_highest_point_of_scikit_learns_precision_recall_curve() -> None:
    from sklearn.metrics import precision_recall_curve

    rng = np.random.default_rng(0)
    scores, truth = rng.random(5000), rng.random(5000) < 0.3
    scores = np.clip(scores * 0.7 + truth * 0.3, 0, 1)
    precision, recall, cuts = precision_recall_curve(truth, scores)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-300)
    found = search_threshold(truth, scores, "f1")
    assert found.value == pytest.approx(f1.max(), abs=1e-12)
    assert ((scores >= found.threshold) == (scores >= cuts[f1.argmax()])).all()


def as_it_was(outcome: Outcome, limit: int = 512) -> tuple[float, float]:
    """The search before it counted all cuts at once: candidate by candidate, by the metric itself."""
    distinct = np.unique(outcome.scores[:, 1])
    middles = (distinct[1:] + distinct[:-1]) / 2.0
    if len(middles) > limit:
        middles = middles[np.linspace(0, len(middles) - 1, limit).round().astype(int)]
    candidates = sorted({0.5, *middles.tolist()}, key=lambda each: abs(each - 0.5))
    values = [compute_one(outcome.at_threshold(each), "f1") for each in candidates]
    best = int(np.nanargmax(values))
    return candidates[best], values[best]


def test_the_tuned_threshold_beats_every_other_cut() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(3)
    truth = random.random(300) < 0.2
    outcome = Outcome("binary", truth, np.clip(0.1 + 0.2 * truth + random.normal(0, 0.1, 300), 0, 1))
    found = tuned_threshold(outcome)
    assert found.value == pytest.approx(max(f1_score(truth, outcome.scores[:, 1] >= cut) for cut in outcome.scores[:, 1]))
    assert found.value == compute_one(outcome.at_threshold(found.threshold), "f1") > compute_one(outcome, "f1") == found.at_half


@pytest.mark.parametrize("rows", [2, 30, 400, 2000])
@pytest.mark.parametrize("weighed", [False, True])
def test_a_tuned_threshold_is_what_it_was_before(rows: int, weighed: bool) -> None:
    rng = np.random.default_rng(rows)
    truth = (np.arange(rows) % 3 == 0).astype(int)
    scores = np.clip(0.35 * truth + 0.65 * rng.random(rows), 0, 1).astype(np.float32)
    outcome = Outcome("binary", truth, scores, weights=rng.integers(1, 5, rows).astype(float) if weighed else None)
    found = tuned_threshold(outcome)
    assert (found.threshold, found.value) == as_it_was(outcome)
    assert found.at_half == compute_one(outcome.at_threshold(0.5), "f1")


def test_neighbouring_numbers_have_no_middle_and_are_told_apart_still() -> None:
    low = 0.3
    high = float(np.nextafter(low, 1))
    found = search_threshold(np.array([False, True]), np.array([low, high]), "accuracy")
    assert found.value == 1.0 and low < found.threshold <= high


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_taken() -> None:
    assert search_threshold(np.array([False, True]), np.array([0.1, 0.9])).threshold == 0.5
    assert search_threshold(np.array([False, True, True]), np.array([0.1, 0.3, 0.9])).threshold == pytest.approx(0.2)


def test_labels_are_searched_one_by_one_or_together() -> None:
    rng = np.random.default_rng(5)
    scores = rng.random((500, 3))
    truth = rng.random((500, 3)) < scores * np.array([1.0, 0.5, 0.25])
    each = search_thresholds(truth, scores)
    assert [one.threshold for one in each] == [search_threshold(truth[:, k], scores[:, k]).threshold for k in range(3)]
    shared = search_thresholds(truth, scores, shared=True)
    assert len({one.threshold for one in shared}) == 1
    flat = search_threshold(truth.ravel(), scores.ravel())
    assert shared[0].threshold == flat.threshold and shared[0].value == flat.value


def test_a_grid_is_searched_at_its_points_alone() -> None:
    points = grid_points(0.2, 0.65, 0.05)
    assert points == pytest.approx([0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65])
    rng = np.random.default_rng(6)
    scores, truth = rng.random(300), rng.random(300) < 0.1
    found = search_threshold(truth, scores, "mcc", candidates=points)
    assert found.threshold in points.tolist()
    assert found.value == max(compute_one(Outcome("binary", truth.astype(int), scores, threshold=float(t)), "mcc") for t in points)


def test_a_cost_is_told_as_it_is_written_and_decides_by_what_mistakes_cost() -> None:
    rng = np.random.default_rng(7)
    scores = rng.random(50_000)
    truth = rng.random(50_000) < scores  # scores are the very probabilities: decide from FP / (FP + FN) up
    found = search_threshold(truth, scores, criterion("cost", false_positive=1, false_negative=4))
    assert found.threshold == pytest.approx(0.2, abs=0.03) and found.value > 0 and found.value <= found.at_half


def test_rows_of_one_side_leave_the_threshold_at_a_half_and_say_so() -> None:
    found = search_threshold(np.array([True, True]), np.array([0.2, 0.9]))
    assert found.threshold == 0.5 and math.isnan(found.value) and found.note == "no row is negative"
    assert search_threshold(np.zeros(0, bool), np.zeros(0)).note == "there are no rows"
    never = search_threshold(np.array([True, False]), np.array([0.1, 0.9]), criterion("recall_at_precision", least=1.0))
    assert never.threshold == 0.5 and "undefined at every cut" in never.note


def test_an_unknown_metric_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="no metric") as caught:
        criterion("balanced")
    assert "balanced_accuracy" in str(caught.value.fix)
    with pytest.raises(ValueError, match="finite"):
        search_threshold(np.array([True, False]), np.array([0.1, math.nan]))
