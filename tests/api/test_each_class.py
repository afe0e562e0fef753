"""What a report tells of each class by itself equals scikit-learn's counts and curves, and needs no memory for all classes together."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import multilabel_confusion_matrix, precision_recall_fscore_support

from trainwright.domains.tables.analysis.by_class import POINTS, thresholds
from trainwright.domains.tables.analysis.plots import describe
from trainwright.domains.tables.blocks.outcome import outcome as blocks
from trainwright.files.text import plain
from trainwright.metrics.outcome import Outcome
from trainwright.report.page import render_blocks


def made(rows: int = 400, labels: int = 7, seed: int = 0) -> Outcome:
    draws = np.random.default_rng(seed)
    truth = draws.random((rows, labels)) < np.linspace(0.05, 0.5, labels)
    scores = (1 / (1 + np.exp(-draws.normal(2.0 * truth - 1, 1)))).round(2)
    return Outcome("set", truth, scores, [f"c{label}" for label in range(labels)], threshold=np.linspace(0.2, 0.7, labels))


def test_decisions_of_labels_are_those_of_scikit_learn() -> None:
    outcome = made()
    reference = multilabel_confusion_matrix(outcome.truth, outcome.scores >= outcome.threshold)
    for each, ((tn, fp), (fn, tp)) in zip(describe(outcome)["each"], reference, strict=True):
        assert (each["tn"], each["fp"], each["fn"], each["tp"]) == (tn, fp, fn, tp)
        assert each["rows"] == tp + fn and each["share"] == pytest.approx((tp + fn) / 400)


def test_decisions_of_classes_are_those_of_the_likeliest() -> None:
    draws = np.random.default_rng(1)
    outcome = Outcome("category", draws.integers(0, 5, 300), draws.dirichlet(np.ones(5), 300), list("abcde"))
    reference = multilabel_confusion_matrix(outcome.truth, outcome.scores.argmax(axis=1))
    found = describe(outcome)["each"]
    assert [[[each["tn"], each["fp"]], [each["fn"], each["tp"]]] for each in found] == reference.tolist()
    assert all("over" not in each for each in found)  # the likeliest is taken: there is no threshold


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 3))
def test_curves_over_thresholds_are_counts_at_or_above_them(seed: int, rows: int, digits: int) -> None:
    draws = np.random.default_rng(seed)
    positive, scores = draws.random(rows) < 0.4, draws.random(rows).round(digits)
    found = thresholds(positive, scores)
    if not positive.any():
        assert found is None
        return
    assert found is not None and 0 < len(found["threshold"]) <= POINTS
    for place, cut in enumerate(found["threshold"]):
        chosen = scores >= cut - 1e-9
        hits, called, there = (positive & chosen).sum(), chosen.sum(), positive.sum()
        expected = (hits / called, hits / there, 2 * hits / (called + there))
        assert (found["precision"][place], found["recall"][place], found["f1"][place]) == pytest.approx(expected, abs=1e-3)


def test_curves_over_thresholds_are_those_of_scikit_learn() -> None:
    outcome = made()
    found = thresholds(outcome.truth[:, 3], outcome.scores[:, 3])
    assert found is not None
    for place in range(0, len(found["threshold"]), 8):
        chosen = outcome.scores[:, 3] >= found["threshold"][place] - 1e-9
        expected = precision_recall_fscore_support(outcome.truth[:, 3], chosen, average="binary", zero_division=0.0)[:3]
        assert (found["precision"][place], found["recall"][place], found["f1"][place]) == pytest.approx(expected, abs=1e-3)


def test_classes_that_no_row_has_or_every_row_has_are_named() -> None:
    outcome = made()
    truth = outcome.truth.copy()
    truth[:, 2], truth[:, 5] = False, True
    one = Outcome("set", truth, outcome.scores, outcome.classes)
    found = describe(one)["one_sided"]
    assert (found["absent"], found["everywhere"]) == (["c2"], ["c5"])
    page = render_blocks("x", [], blocks(plain({"y": describe(one)})), Path())
    assert "1 label that no row has in this part" in page and "1 label that every row has in this part" in page
    assert page.count('class="panel-row"') == 6  # c2 has nothing to draw


def test_a_hundred_classes_stay_readable_the_weakest_open_and_the_others_folded() -> None:
    found = blocks(plain({"y": describe(made(2000, 100))}))
    panels: dict[str, Any] = next(each for each in found if each["type"] == "panels")
    precisions = [float(row["caption"].partition("AP ")[2].partition(",")[0]) for row in panels["rows"]]
    assert precisions == sorted(precisions) and len(precisions) == 100
    page = render_blocks("x", [], found, Path())
    assert page.partition("<details>")[0].count('class="panel-row"') == 6 and "Show the other 94" in page
    assert len(page) < 1_500_000


def test_nothing_as_large_as_the_scores_is_made() -> None:
    outcome = made(20_000, 40)
    tracemalloc.start()
    try:
        describe(outcome)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < outcome.scores.nbytes / 2


def test_the_threshold_of_two_classes_stands_under_its_curves() -> None:
    draws = np.random.default_rng(2)
    truth = draws.integers(0, 2, 200)
    outcome = Outcome("binary", truth, (0.3 * truth + 0.7 * draws.random(200)), ["no", "yes"], threshold=0.35)
    found = blocks(plain({"y": describe(outcome, "f1")}))
    lines = next(each for each in found if each.get("title") == "Thresholds")
    assert lines["mark"]["x"] == 0.35 and "0.350, chosen on the validation rows for f1" in lines["note"]
    curve = next(each for each in found if each.get("title") == "Precision and recall")
    assert "of the rows" in curve["caption"]
