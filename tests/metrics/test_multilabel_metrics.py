"""Metrics of label sets are those of scikit-learn, streamed in batches over two ranks, and as one outcome."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch

from trainwright.config.errors import ConfigError
from trainwright.metrics import Outcome, compute_one, from_label, label, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.store import AllRows
from trainwright.metrics.target import TargetMetrics

RNG = np.random.default_rng(0)
TRUTH = RNG.random((200, 12)) < np.linspace(0.1, 0.6, 12)
TRUTH[:, 3] = False
"""A label that no row has."""
TRUTH[7:9], TRUTH[9] = False, True
SCORES = np.round(np.clip(RNG.random((200, 12)) * 0.8 + 0.2 * TRUTH, 0.001, 0.999), 2)
"""Two decimals: many ties."""
THERE = TRUTH.any(axis=0)
SOME = TRUTH.any(axis=1)
DECIDED = SCORES >= 0.5
CLASSES = RNG.integers(0, 5, 300)
SOFT = RNG.dirichlet(np.ones(5), 300)


def stream(kind: str, keys: list[str], truth: np.ndarray, scores: np.ndarray, limit: int | None = None) -> dict[str, float]:
    """The metrics of two ranks, each of several batches, joined."""

    def read(outputs: Any) -> BatchOutcome:
        return BatchOutcome(kind, outputs["truth"], outputs["scores"])

    ranks = [TargetMetrics([from_label(key) for key in keys], read, kind=kind) for _ in range(2)]
    if limit is not None:
        for rank in ranks:
            rank.store = AllRows(limit)
    for place, start in enumerate(range(0, len(truth), 37)):
        rows = {"truth": torch.from_numpy(truth[start : start + 37]), "scores": torch.from_numpy(scores[start : start + 37])}
        ranks[place % 2].update(rows)
    ranks[0].merge([ranks[1]])
    return ranks[0].compute()


def trapezoids(truth: np.ndarray, scores: np.ndarray) -> float:
    """PR-AUC as scikit-learn's parts give it."""
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    return float(sk.auc(recall, precision))


def per_label(measure: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray = SCORES) -> float:
    """The mean over the labels that occur."""
    return float(np.mean([measure(TRUTH[:, k], scores[:, k]) for k in np.flatnonzero(THERE)]))


def by_rows(measure: Callable[[np.ndarray, np.ndarray], float], chosen: np.ndarray) -> float:
    """The mean over rows where it is defined."""
    return float(np.mean([measure(TRUTH[i], SCORES[i]) for i in np.flatnonzero(chosen)]))


EXPECTED: dict[str, Callable[[], float]] = {
    "average_precision": lambda: sk.average_precision_score(TRUTH[:, THERE], SCORES[:, THERE], average="macro"),
    "average_precision_micro": lambda: sk.average_precision_score(TRUTH, SCORES, average="micro"),
    "average_precision_weighted": lambda: sk.average_precision_score(TRUTH[:, THERE], SCORES[:, THERE], average="weighted"),
    "average_precision_samples": lambda: sk.average_precision_score(TRUTH[SOME], SCORES[SOME], average="samples"),
    "pr_auc": lambda: per_label(trapezoids),
    "pr_auc_micro": lambda: trapezoids(TRUTH.ravel(), SCORES.ravel()),
    "roc_auc": lambda: sk.roc_auc_score(TRUTH[:, THERE], SCORES[:, THERE], average="macro"),
    "roc_auc_micro": lambda: sk.roc_auc_score(TRUTH, SCORES, average="micro"),
    "roc_auc_weighted": lambda: sk.roc_auc_score(TRUTH[:, THERE], SCORES[:, THERE], average="weighted"),
    "roc_auc_samples": lambda: by_rows(sk.roc_auc_score, SOME & ~TRUTH.all(axis=1)),
    "fbeta": lambda: sk.fbeta_score(TRUTH, DECIDED, beta=2.0, average="macro", zero_division=0),
    "fbeta_0.5": lambda: sk.fbeta_score(TRUTH, DECIDED, beta=0.5, average="macro", zero_division=0),
    "fbeta_micro_0.5": lambda: sk.fbeta_score(TRUTH, DECIDED, beta=0.5, average="micro"),
    "fbeta_weighted": lambda: sk.fbeta_score(TRUTH, DECIDED, beta=2.0, average="weighted", zero_division=0),
    "precision_micro": lambda: sk.precision_score(TRUTH, DECIDED, average="micro"),
    "recall_weighted": lambda: sk.recall_score(TRUTH, DECIDED, average="weighted", zero_division=0),
    "subset_accuracy": lambda: sk.accuracy_score(TRUTH, DECIDED),
    "hamming": lambda: sk.hamming_loss(TRUTH, DECIDED),
    "ranking_loss": lambda: sk.label_ranking_loss(TRUTH, SCORES),
    "coverage_error": lambda: sk.coverage_error(TRUTH, SCORES),
    "label_ranking_average_precision": lambda: sk.label_ranking_average_precision_score(TRUTH, SCORES),
    "mcc": lambda: per_label(sk.matthews_corrcoef, DECIDED),
    "kappa": lambda: float(np.mean([sk.cohen_kappa_score(TRUTH[:, k], DECIDED[:, k]) for k in range(12)])),
}


@pytest.mark.parametrize("key", EXPECTED)
def test_a_metric_of_label_sets_is_that_of_scikit_learn_from_batches_of_two_ranks_and_as_a_whole(key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = EXPECTED[key]()
    whole = compute_one(Outcome("set", TRUTH, SCORES), key)
    assert whole == pytest.approx(expected, abs=1e-9)
    assert stream("set", [key], TRUTH, SCORES)[key] == pytest.approx(expected, abs=1e-9)
    assert label(from_label(key)) == key


def test_metrics_of_order_are_the_same_when_the_rows_lie_in_a_temporary_file() -> None:
    keys = [key for key in EXPECTED if "auc" in key or key.startswith("average_precision")]
    held, spilled = stream("set", keys, TRUTH, SCORES), stream("set", keys, TRUTH, SCORES, limit=1000)
    assert spilled == pytest.approx(held, abs=1e-12)


@pytest.mark.parametrize(
    "key", ["average_precision_micro", "average_precision_samples", "roc_auc_micro", "pr_auc", "mcc", "coverage_error"]
)
def test_rows_that_weigh_twice_count_as_rows_that_are_there_twice(key: str) -> None:
    counts = RNG.integers(1, 3, 200)
    twice = np.repeat(np.arange(200), counts)
    weighed = compute_one(Outcome("set", TRUTH, SCORES, weights=counts.astype(float)), key)
    assert weighed == pytest.approx(compute_one(Outcome("set", TRUTH[twice], SCORES[twice]), key), abs=1e-9)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_is_that_of_scikit_learn_with_and_without_weights(weights: str) -> None:
    metric = options("kappa", weights=weights)
    expected = sk.cohen_kappa_score(CLASSES, SOFT.argmax(axis=1), weights=None if weights == "none" else weights)
    assert compute_one(Outcome("category", CLASSES, SOFT), metric) == pytest.approx(expected, abs=1e-9)
    assert stream("category", [label(metric)], CLASSES, SOFT)[label(metric)] == pytest.approx(expected, abs=1e-9)


def calibration(norm: str, confidence: np.ndarray, hit: np.ndarray, bins: int = 15) -> float:
    """The calibration error bin by bin."""
    cells = np.minimum((confidence * bins).astype(int), bins - 1)
    there = [cells == cell for cell in range(bins) if (cells == cell).any()]
    gaps = np.array([abs(confidence[each].mean() - hit[each].mean()) for each in there])
    shares = np.array([each.mean() for each in there])
    return float({"l1": (gaps * shares).sum(), "l2": np.sqrt((gaps**2 * shares).sum()), "max": gaps.max()}[norm])


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_the_calibration_error_of_labels_is_the_mean_of_theirs(norm: str) -> None:
    expected = np.mean([calibration(norm, SCORES[:, k], TRUTH[:, k]) for k in range(12)])
    metric = options("ece", norm=norm)
    assert compute_one(Outcome("set", TRUTH, SCORES), metric) == pytest.approx(expected, abs=1e-9)
    assert stream("set", [label(metric)], TRUTH, SCORES)[label(metric)] == pytest.approx(expected, abs=1e-9)
    of_classes = calibration(norm, SOFT.max(axis=1), SOFT.argmax(axis=1) == CLASSES)
    assert stream("category", [label(metric)], CLASSES, SOFT)[label(metric)] == pytest.approx(of_classes, abs=1e-9)


def test_trapezoids_are_not_the_average_precision() -> None:
    both = stream("set", ["pr_auc", "average_precision"], TRUTH, SCORES)
    assert abs(both["pr_auc"] - both["average_precision"]) > 1e-4


def test_what_means_nothing_for_a_target_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot average 'samples' for a category target"):
        compute_one(Outcome("category", CLASSES, SOFT), "roc_auc_samples")
    with pytest.raises(ConfigError, match="kappa of label sets has no linear weights"):
        compute_one(Outcome("set", TRUTH, SCORES), "kappa_linear")
