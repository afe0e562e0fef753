"""Rows that count differently: metrics as scikit-learn has them with `sample_weight`, whole and piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from trainwright.metrics import PARTS, Outcome, compute, compute_one, difference_interval, intervals, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.target import TargetMetrics

N = 300
R = np.random.default_rng(3)
WEIGHTS = np.where(R.random(N) < 0.2, 0.0, R.exponential(size=N))
TRUE = R.integers(0, 2, N)
P = np.clip(0.5 * TRUE + R.random(N) * 0.6, 0.01, 0.99).round(2)  # with ties
CLASSES = R.integers(0, 3, N)
Q = R.dirichlet([1, 1, 1], N) + np.eye(3)[CLASSES] * 0.4
Q /= Q.sum(axis=1, keepdims=True)
Y = R.normal(3, 1, N)
Z = Y + R.normal(0, 0.5, N)

BINARY: dict[str, Callable[..., Any]] = {
    "accuracy": lambda w: reference.accuracy_score(TRUE, P >= 0.5, sample_weight=w),
    "balanced_accuracy": lambda w: reference.balanced_accuracy_score(TRUE, P >= 0.5, sample_weight=w),
    "f1": lambda w: reference.f1_score(TRUE, P >= 0.5, sample_weight=w),
    "precision": lambda w: reference.precision_score(TRUE, P >= 0.5, sample_weight=w),
    "recall": lambda w: reference.recall_score(TRUE, P >= 0.5, sample_weight=w),
    "mcc": lambda w: reference.matthews_corrcoef(TRUE, P >= 0.5, sample_weight=w),
    "kappa": lambda w: reference.cohen_kappa_score(TRUE, P >= 0.5, sample_weight=w),
    "roc_auc": lambda w: reference.roc_auc_score(TRUE, P, sample_weight=w),
    "average_precision": lambda w: reference.average_precision_score(TRUE, P, sample_weight=w),
    "log_loss": lambda w: reference.log_loss(TRUE, P, sample_weight=w),
    "brier": lambda w: reference.brier_score_loss(TRUE, P, sample_weight=w),
}
CATEGORY: dict[str, Callable[..., Any]] = {
    "accuracy": lambda w: reference.accuracy_score(CLASSES, Q.argmax(1), sample_weight=w),
    "f1": lambda w: reference.f1_score(CLASSES, Q.argmax(1), average="macro", sample_weight=w),
    "log_loss": lambda w: reference.log_loss(CLASSES, Q, sample_weight=w),
}
NUMBER: dict[str, Callable[..., Any]] = {
    "r2": lambda w: reference.r2_score(Y, Z, sample_weight=w),
    "rmse": lambda w: reference.root_mean_squared_error(Y, Z, sample_weight=w),
    "mae": lambda w: reference.mean_absolute_error(Y, Z, sample_weight=w),
    "mape": lambda w: reference.mean_absolute_percentage_error(Y, Z, sample_weight=w),
    "explained_variance": lambda w: reference.explained_variance_score(Y, Z, sample_weight=w),
}
KINDS = {"binary": (TRUE, P, BINARY), "category": (CLASSES, Q, CATEGORY), "number": (Y, Z, NUMBER)}


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_those_of_scikit_learn_with_sample_weights(kind: str) -> None:
    truth, scores, known = KINDS[kind]
    outcome = Outcome(kind, truth, scores, weights=WEIGHTS)
    for name, expected in known.items():
        assert compute_one(outcome, name) == pytest.approx(expected(WEIGHTS), rel=1e-9), name
        assert compute_one(Outcome(kind, truth, scores), name) == pytest.approx(expected(None), rel=1e-9), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_two_is_two_rows_one_of_weight_nought_is_none_and_the_unit_is_free(kind: str) -> None:
    truth, scores, _ = KINDS[kind]
    times = R.integers(0, 3, N)
    others = ("median_ae", "max_error", "ece", "mcc", "event_f1", "event_precision", "event_recall")  # the last are of frames, not of rows
    names = [each for each, part in PARTS.items() if kind in part.kinds and each not in others]
    weighted = compute(Outcome(kind, truth, scores, weights=times), names)
    repeated = compute(Outcome(kind, np.repeat(truth, times, axis=0), np.repeat(scores, times, axis=0)), names)
    assert weighted == pytest.approx(repeated, nan_ok=True)
    assert weighted == pytest.approx(compute(Outcome(kind, truth, scores, weights=times * 0.37), names), nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_come_batch_by_batch_are_measured_as_the_whole_after_a_checkpoint_and_a_merge(kind: str) -> None:
    truth, scores, known = KINDS[kind]
    asked = [options(name) for name in known]

    def read(rows: Any) -> BatchOutcome:
        return BatchOutcome(kind, torch.from_numpy(truth[rows]), torch.from_numpy(scores[rows]), weights=torch.from_numpy(WEIGHTS[rows]))

    parts = [TargetMetrics(asked, read, kind=kind) for _ in range(2)]
    for start in range(0, N, 64):
        parts[start // 64 % 2].update(np.arange(start, min(start + 64, N)))
    again = TargetMetrics(asked, read, kind=kind)
    again.load(parts[0].tensors())
    again.merge(parts[1:])
    assert again.compute() == pytest.approx(compute(Outcome(kind, truth, scores, weights=WEIGHTS), list(known)), rel=1e-6)
    recent = TargetMetrics(asked, read, kind=kind)
    recent.for_training(1 << 20)
    recent.update(np.arange(N))
    assert recent.compute() == pytest.approx(again.compute(), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_the_weighted_value_and_differences_too(kind: str) -> None:
    truth, scores, known = KINDS[kind]
    outcome = Outcome(kind, truth, scores, weights=WEIGHTS)
    for name, (low, high) in intervals(outcome, list(known), resamples=200).items():
        assert low <= compute_one(outcome, name) <= high, name
    name = next(iter(known))
    found = difference_interval(outcome, outcome, name, resamples=50)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="cannot have weights"):
        Outcome(kind, truth, scores, weights=WEIGHTS[:-1])
