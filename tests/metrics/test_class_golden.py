"""Metrics of several classes equal stored values of scikit-learn and torchmetrics: at once, in pieces of two ranks, weighted, by class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.calibration import fit_temperature, reliability
from trainwright.calibration.fitting import probabilities
from trainwright.metrics import Outcome, compute_one, label, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.evaluate import instance
from trainwright.metrics.target import TargetMetrics

FOLDER = Path(__file__).parent
VALUES: dict[str, Any] = json.loads((FOLDER / "golden_classes.json").read_text())["values"]
ARRAYS = np.load(FOLDER / "golden_classes.npz")
TRUTH, LOGITS = ARRAYS["labels"].astype(np.int64), ARRAYS["thousandths_of_logits"] / 1000
WEIGHTS = ARRAYS["thousandths_of_weights"] / 1000
SCORES = probabilities("category", LOGITS)
OUTCOME = Outcome("category", TRUTH, SCORES)
AVERAGES = ("micro", "macro", "weighted")
DECIDED = {"f1": "f1_score", "precision": "precision_score", "recall": "recall_score", "iou": "jaccard_score"}
RANKED = {"roc_auc": "roc_auc_score(multi_class=ovr", "average_precision": "average_precision_score(one-hot"}


def expected_values() -> dict[str, tuple[Any, float, float]]:
    """Key of ours → its options, the value of the library, and how exact that is."""
    found: dict[str, tuple[Any, float, float]] = {}

    def add(metric: Any, key: str, exact: float = 1e-9) -> None:
        found[label(metric)] = (metric, VALUES[key], exact)

    for name, key in {"accuracy": "accuracy_score", "balanced_accuracy": "balanced_accuracy_score", "log_loss": "log_loss"}.items():
        add(options(name), f"sklearn.{key}")
    add(options("mcc"), "sklearn.matthews_corrcoef")
    add(options("brier"), "multi-class Brier: mean of sum of squares, closed form")
    for weights, theirs in {"none": "None", "linear": "linear", "quadratic": "quadratic"}.items():
        add(options("kappa", weights=weights), f"sklearn.cohen_kappa_score(weights={theirs})")
    for k in (1, 2, 3, 5):
        add(options("top_k_accuracy", k=k), f"sklearn.top_k_accuracy_score(k={k})")
    for average in AVERAGES:
        for name, theirs in DECIDED.items():
            add(options(name, average=average), f"sklearn.{theirs}(average={average}, zero_division=0)")
        for name, theirs in RANKED.items():
            add(options(name, average=average), f"sklearn.{theirs}, average={average})")
        for beta in (0.5, 2.0):
            add(options("fbeta", average=average, beta=beta), f"sklearn.fbeta_score(beta={beta}, average={average}, zero_division=0)")
    for bins in (10, 15):
        for norm in ("l1", "l2", "max"):
            add(options("ece", bins=bins, norm=norm), f"torchmetrics.multiclass_calibration_error(n_bins={bins}, norm={norm})", 1e-6)
    return found


EXPECTED = expected_values()


@pytest.mark.parametrize("key", EXPECTED)
def test_at_once_each_is_that_of_the_library(key: str) -> None:
    metric, value, exact = EXPECTED[key]
    assert compute_one(OUTCOME, metric) == pytest.approx(value, abs=exact)


@pytest.mark.parametrize("pieces", [2, 7])
def test_pieces_of_two_ranks_merged_are_the_whole(pieces: int) -> None:
    metrics = [metric for metric, _, _ in EXPECTED.values()]
    ranks = [TargetMetrics(metrics, lambda out: BatchOutcome("category", out["truth"], out["scores"]), kind="category") for _ in range(2)]
    for place, rows in enumerate(np.array_split(np.arange(len(TRUTH)), pieces)):
        ranks[place % 2].update({"truth": torch.from_numpy(TRUTH[rows]), "scores": torch.from_numpy(SCORES[rows])})
    ranks[0].merge([ranks[1]])
    found = ranks[0].compute()
    for key, (_, value, exact) in EXPECTED.items():
        assert found[key] == pytest.approx(value, abs=exact), key


@pytest.mark.parametrize("name", [*DECIDED, "fbeta", "average_precision"])
def test_the_value_of_each_class_is_that_of_scikit_learn(name: str) -> None:
    keys = {"fbeta": "sklearn.fbeta_score(beta=2.0, average=None, zero_division=0)"}
    keys |= {"average_precision": "sklearn.average_precision_score(one-hot, average=None)"}
    keys |= {each: f"sklearn.{theirs}(average=None, zero_division=0)" for each, theirs in DECIDED.items()}
    chosen = {"average": "macro"} | ({"beta": 2.0} if name == "fbeta" else {})
    assert instance(options(name, **chosen), "category").values_by_class(OUTCOME) == pytest.approx(np.array(VALUES[keys[name]]), abs=1e-9)


def test_weighted_rows_count_as_theirs() -> None:
    outcome = Outcome("category", TRUTH, SCORES, weights=WEIGHTS)
    known = {"accuracy": "accuracy_score(", "f1": "f1_score(macro, ", "roc_auc": "roc_auc_score(ovr, macro, "}
    known["average_precision"] = "average_precision_score(one-hot, macro, "
    for name, key in known.items():
        metric = options(name, average="macro") if name == "f1" else name
        assert compute_one(outcome, metric) == pytest.approx(VALUES[f"sklearn.{key}sample_weight)"], abs=1e-9), name


def test_one_class_against_the_others_is_calibrated_as_theirs() -> None:
    outcome = Outcome("binary", (TRUTH == 0).astype(np.int64), SCORES[:, 0])
    assert compute_one(outcome, "brier") == pytest.approx(VALUES["sklearn.brier_score_loss(y==0, P[:,0])"], abs=1e-9)
    for norm in ("l1", "l2", "max"):
        known = VALUES[f"torchmetrics.binary_calibration_error(P[:,0], y==0, n_bins=15, norm={norm})"]
        assert compute_one(outcome, options("ece", norm=norm)) == pytest.approx(known, abs=1e-6)


def test_the_diagram_of_reliability_has_their_bins() -> None:
    table = VALUES["reliability table, 15 equal bins [k/15, (k+1)/15): count, mean confidence, accuracy (NaN: empty)"]
    filled = [row for row in table if row[0]]
    found = [[each["count"], each["confidence"], each["frequency"]] for each in reliability(OUTCOME)["bins"]]
    assert np.array(found) == pytest.approx(np.array(filled, float), abs=1e-9)


def test_the_temperature_is_the_one_that_scipy_finds() -> None:
    temperature, nll = VALUES["best temperature by scipy.minimize_scalar(bounds=(0.1, 5)), [T, nll]"]
    found = fit_temperature(LOGITS, TRUTH)
    assert found.temperature == pytest.approx(temperature, abs=1e-5)  # theirs stops within 1e-5
    assert found.nll_after == pytest.approx(nll, abs=1e-9)
    at = compute_one(Outcome("category", TRUTH, probabilities("category", LOGITS / 1.5)), "log_loss")
    assert at == pytest.approx(VALUES["nll at temperature 1.5 (mean cross-entropy of z/1.5, closed form)"], abs=1e-9)
