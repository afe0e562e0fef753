import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainwright.metrics import PARTS, Outcome, compute_one, difference_interval, intervals, options
from trainwright.metrics.evaluate import instance
from trainwright.metrics.formulas import Additive, Ordered


def outcome_of(kind: str, rows: int, seed: int, noise: float = 1.0) -> Outcome:
    random = np.random.default_rng(seed)
    if kind in ("number", "vector"):
        truth = np.round(random.normal(size=rows if kind == "number" else (rows, 2)), 2)
        return Outcome(kind, truth, np.round(truth + noise * random.normal(size=truth.shape), 2))
    if kind == "set":
        truth = random.random((rows, 3)) < 0.4
        return Outcome(kind, truth, np.round(np.clip(0.3 + 0.4 * truth + 0.3 * noise * random.normal(size=truth.shape), 0, 1), 2))
    classes = 2 if kind == "binary" else 3
    truth = random.integers(0, classes, rows)
    logits = np.eye(classes)[truth] + noise * random.normal(size=(rows, classes))
    scores = np.round(np.exp(logits), 2) + 0.01
    return Outcome(kind, truth, scores / scores.sum(axis=1, keepdims=True))


every_metric_and_kind = [  # pixels of masks are counted as they come, and their rows are not drawn again
    (name, kind) for name, part in PARTS.own.items() for kind in part.kinds if not part.paired and kind != "mask"
]


@pytest.mark.parametrize(("name", "kind"), every_metric_and_kind)
@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_a_resample_counted_is_the_resample_drawn(name: str, kind: str, seed: int) -> None:
    outcome, metric = outcome_of(kind, 40, seed), instance(name, kind)
    assume(not math.isnan(metric(outcome)))
    rows = np.random.default_rng(seed).integers(0, 40, 40)
    counts = np.bincount(rows, minlength=40).astype(float)[None]
    with np.errstate(all="ignore"):
        if isinstance(metric, Additive):
            counted = metric.value(counts @ metric.sums(outcome, np.arange(40)))
        else:
            assert isinstance(metric, Ordered)
            counted = metric.weighted(outcome, counts)
    assert counted[0] == pytest.approx(metric(outcome.take(rows)), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accuracy", "category"),
        ("f1", "binary"),
        ("roc_auc", "binary"),
        ("average_precision", "category"),
        ("r2", "number"),
        ("spearman", "number"),
    ],
)
def test_an_interval_is_as_wide_as_that_of_resamples_drawn_one_by_one(name: str, kind: str) -> None:
    outcome, random = outcome_of(kind, 300, 1), np.random.default_rng(9)
    drawn = [compute_one(outcome.take(random.integers(0, 300, 300)), name) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    ours = intervals(outcome, [name])[name]
    assert ours == pytest.approx((low, high), abs=0.15 * (high - low))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accuracy", "category"),
        ("f1", "category"),
        ("roc_auc", "binary"),
        ("average_precision", "binary"),
        ("rmse", "number"),
        ("spearman", "number"),
    ],
)
def test_large_sets_get_the_interval_that_a_sample_of_samples_has(name: str, kind: str) -> None:
    values = [compute_one(outcome_of(kind, 6000, seed), name) for seed in range(60)]
    widths = [high - low for low, high in (intervals(outcome_of(kind, 6000, seed), [name])[name] for seed in range(6))]
    assert np.mean(widths) / (2 * 1.96 * np.std(values)) == pytest.approx(1.0, abs=0.35)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = [
        low <= 0.75 <= high for low, high in (intervals(coin(seed, 200), ["accuracy"], resamples=300)["accuracy"] for seed in range(200))
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


def coin(seed: int, rows: int) -> Outcome:
    """Right three times out of four."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    return Outcome("binary", truth, np.where(random.random(rows) < 0.75, truth, 1 - truth).astype(float))


def test_intervals_are_repeatable_and_leave_the_range_never() -> None:
    outcome = outcome_of("category", 50, 0, noise=0.1)
    names = ["accuracy", "roc_auc", "log_loss", options("f1", average="micro")]
    first = intervals(outcome, names)
    assert first == intervals(outcome, names) and list(first) == ["accuracy", "roc_auc", "log_loss", "f1_micro"]
    assert all(0.0 <= low <= high for low, high in first.values()) and first["accuracy"][1] <= 1.0


def test_undefined_metrics_have_undefined_intervals() -> None:
    single = Outcome("binary", [0, 0, 0], [0.1, 0.2, 0.3])
    assert all(math.isnan(each) for each in intervals(single, ["roc_auc"])["roc_auc"])
    number = outcome_of("number", 30, 0)
    assert all(math.isnan(each) for each in intervals(number, ["max_error"])["max_error"])
    assert all(math.isnan(each) for each in intervals(number.take(np.zeros(0, int)), ["rmse"])["rmse"])


@pytest.mark.parametrize("rows", [400, 5000])
@pytest.mark.parametrize(("name", "kind"), [("accuracy", "binary"), ("roc_auc", "binary"), ("rmse", "number")])
def test_a_paired_difference_is_narrower_than_two_separate_intervals(name: str, kind: str, rows: int) -> None:
    outcome = outcome_of(kind, rows, 0)
    scores = outcome.scores + (0.0 if kind != "number" else 0.02)
    scores = scores if kind == "number" else 0.95 * scores + 0.05 * outcome_of(kind, rows, 5).scores
    other = Outcome(kind, outcome.truth, scores)
    found = difference_interval(outcome, other, name)
    low, high = intervals(outcome, [name])[name]
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.7 * (high - low)
    assert not difference_interval(outcome, outcome, name).clear


def test_a_difference_of_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="not of the same rows"):
        difference_interval(outcome_of("binary", 30, 0), outcome_of("binary", 30, 1), "accuracy")


def test_a_clear_difference_is_clear() -> None:
    good = outcome_of("category", 500, 0, noise=0.3)
    poor = Outcome("category", good.truth, outcome_of("category", 500, 0, noise=3.0).scores)
    assert difference_interval(good, poor, "accuracy").clear
