"""Metrics of label sets equal stored values of scikit-learn to 1e-9: at once, in pieces over two ranks, and as two halves merged."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.metrics import Outcome, compute_one, label, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.evaluate import instance
from trainwright.metrics.target import TargetMetrics

GOLDEN = json.loads((Path(__file__).parent / "golden_multilabel.json").read_text())
VALUES: dict[str, Any] = GOLDEN["values"]
LABELS, ABSENT = (np.array([[digit == "1" for digit in row] for row in GOLDEN[name]]) for name in ("labels", "labels_absent"))
SCORES = np.array(GOLDEN["scores"]) / 100
ABOVE_HALF = float(np.nextafter(0.5, 1))
"""The stored decisions are scores > 0.5, ours are scores ≥ a threshold."""
NAMED = {"average_precision": "average_precision_score(Y, P", "roc_auc": "roc_auc_score(Y, P"}
DECIDED = {"f1": "f1_score", "precision": "precision_score", "recall": "recall_score", "jaccard": "jaccard_score"}


def expected_values() -> dict[str, tuple[Any, float]]:
    """Key of ours → its options, and the value of scikit-learn."""
    found: dict[str, tuple[Any, float]] = {}

    def add(metric: Any, value: float) -> None:
        found[label(metric)] = (metric, value)

    for average in ("micro", "macro", "weighted", "samples"):
        for name, theirs in NAMED.items():
            value = VALUES[f"sklearn.{theirs}, average={average})"]
            if isinstance(value, float) and not math.isnan(value):
                labelled = LABELS.any(axis=1).mean() if average == "samples" else 1.0
                add(options(name, average=average), value / labelled)  # theirs counts a row without a label as 0, ours leaves it out
        for name, theirs in DECIDED.items():
            add(options(name, average=average), VALUES[f"sklearn.{theirs}(Y, P>0.5, average={average}, zero_division=0)"])
        for beta in (0.5, 2.0):
            add(
                options("fbeta", average=average, beta=beta),
                VALUES[f"sklearn.fbeta_score(Y, P>0.5, beta={beta}, average={average}, zero_division=0)"],
            )
    add(options("hamming"), VALUES["sklearn.hamming_loss(Y, P>0.5)"])
    add(options("subset_accuracy"), VALUES["sklearn.accuracy_score(Y, P>0.5) = exact match"])
    add(options("ranking_loss"), VALUES["sklearn.label_ranking_loss(Y, P)"])
    add(options("coverage_error"), VALUES["sklearn.coverage_error(Y, P)"])
    add(options("label_ranking_average_precision"), VALUES["sklearn.label_ranking_average_precision_score(Y, P)"])
    add(options("mcc"), float(np.mean(VALUES["sklearn.matthews_corrcoef per class"])))
    return found


EXPECTED = expected_values()


def read(outputs: Any) -> BatchOutcome:
    return BatchOutcome("set", outputs["truth"], outputs["scores"], threshold=ABOVE_HALF)


def streamed(metrics: list[Any], truth: np.ndarray, pieces: int) -> dict[str, float]:
    """Metrics of two ranks that see pieces in turn, merged; two pieces are two halves."""
    ranks = [TargetMetrics(metrics, read, kind="set") for _ in range(2)]
    for place, rows in enumerate(np.array_split(np.arange(len(truth)), pieces)):
        ranks[place % 2].update({"truth": torch.from_numpy(truth[rows]), "scores": torch.from_numpy(SCORES[rows])})
    ranks[0].merge([ranks[1]])
    return ranks[0].compute()


def test_at_once_they_are_those_of_scikit_learn() -> None:
    assert len(EXPECTED) >= 36
    outcome = Outcome("set", LABELS, SCORES, threshold=ABOVE_HALF)
    found = {key: compute_one(outcome, metric) for key, (metric, _) in EXPECTED.items()}
    # of a row without labels whose prediction is empty too theirs is 0, ours 1; there is none such here
    assert found == pytest.approx({key: value for key, (_, value) in EXPECTED.items()}, abs=1e-9)


@pytest.mark.parametrize("pieces", [2, 7])
def test_two_halves_and_seven_pieces_merged_are_the_whole(pieces: int) -> None:
    found = streamed([metric for metric, _ in EXPECTED.values()], LABELS, pieces)
    assert found == pytest.approx({key: value for key, (_, value) in EXPECTED.items()}, abs=1e-9)


@pytest.mark.parametrize("name", [*NAMED, *DECIDED, "mcc"])
def test_the_value_of_each_label_is_that_of_scikit_learn(name: str) -> None:
    keys = {"mcc": "sklearn.matthews_corrcoef per class"}
    keys |= {each: f"sklearn.{theirs}, average=None)" for each, theirs in NAMED.items()}
    keys |= {each: f"sklearn.{theirs}(Y, P>0.5, average=None, zero_division=0)" for each, theirs in DECIDED.items()}
    outcome = Outcome("set", LABELS, SCORES, threshold=ABOVE_HALF)
    metric = options(name, average="macro") if name in DECIDED else name
    assert instance(metric, "set").values_by_class(outcome) == pytest.approx(np.array(VALUES[keys[name]]), abs=1e-9)


@pytest.mark.parametrize("name", NAMED)
def test_a_label_that_no_row_has_and_one_that_all_have_are_left_out_of_the_mean(name: str) -> None:
    theirs = [math.nan if each is None else float(each) for each in VALUES[f"absent25_always24: sklearn.{name}_score(average=None)"]]
    defined = [place for place in range(26) if place != 25 and (place != 24 or name == "average_precision")]
    expected = float(np.mean([theirs[place] for place in defined]))
    outcome = Outcome("set", ABSENT, SCORES)
    assert compute_one(outcome, name) == pytest.approx(expected, abs=1e-9)
    assert streamed([options(name)], ABSENT, 3)[name] == pytest.approx(expected, abs=1e-9)
    values = instance(name, "set").values_by_class(outcome)
    assert values is not None and np.flatnonzero(~np.isnan(values)).tolist() == defined


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_likeliest_labels_are_counted_as_by_hand(k: int) -> None:
    top = np.argsort(-SCORES, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(LABELS, top, axis=1).sum(axis=1)[LABELS.any(axis=1)]
    sizes = LABELS.sum(axis=1)[LABELS.any(axis=1)]
    expected = {"top_k_accuracy": (hits > 0).mean(), "precision_at_k": (hits / k).mean(), "recall_at_k": (hits / sizes).mean()}
    metrics = [options(name, k=k) for name in expected]
    outcome = Outcome("set", LABELS, SCORES)
    assert [compute_one(outcome, each) for each in metrics] == pytest.approx(list(expected.values()), abs=1e-12)
    found = streamed(metrics, LABELS, 5)
    assert [found[label(each)] for each in metrics] == pytest.approx(list(expected.values()), abs=1e-12)
