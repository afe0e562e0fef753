from __future__ import annotations

import pytest

from trainwright.metrics import label, options
from trainwright.metrics.balance import choose_headline

CASES = [
    ("binary", [500, 500], "accuracy", ""),
    ("binary", [900, 100], "accuracy", ""),
    ("binary", [950, 50], "average_precision", "5 % of the training rows are 'b', and 'a' for every row is right on 95 %"),
    ("binary", [9990, 10], "average_precision", "0.1 % of the training rows are 'b', and 'a' for every row is right on 99.9 %"),
    ("binary", [30, 970], "roc_auc", "3 % of the training rows are 'a'"),
    ("binary", [700, 0], "accuracy", ""),
    ("category", [400, 350, 250], "accuracy", ""),
    ("category", [600, 380, 20], "balanced_accuracy", "2 % of the training rows are 'c', and 'a' for every row is right on 60 %"),
    ("category", [850, 75, 75], "balanced_accuracy", "right on 85 %"),
    ("category", [500, 495, 5], "accuracy", "0.5 % of the training rows are 'c', too few to judge by. Balanced accuracy"),
    ("category", [995, 4, 1], "balanced_accuracy", "0.1 % of the training rows are 'c', and 'a' for every row is right on 99.5 %"),
    ("category", [100] * 10, "accuracy", ""),
    ("number", [], "r2", ""),
    ("set", [], "jaccard", ""),
]


@pytest.mark.parametrize(("kind", "counts", "metric", "why"), CASES)
def test_the_headline_follows_the_balance_of_the_classes_and_says_why(kind: str, counts: list[int], metric: str, why: str) -> None:
    chosen = choose_headline(kind, counts, list("abcdefghij")[: len(counts)])
    assert label(chosen.metric) == metric
    assert (why in chosen.why) if why else not chosen.why and not chosen.rare


def test_a_metric_that_was_asked_for_is_the_headline_whatever_the_balance() -> None:
    chosen = choose_headline("binary", [990, 10], ["no", "yes"], [options("brier"), options("accuracy")])
    assert label(chosen.metric) == "brier" and not chosen.why
