import math
import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from trainwright.config.errors import ConfigError
from trainwright.config.registry import check_target
from trainwright.metrics import (
    PARTS,
    Outcome,
    compute,
    compute_one,
    default_metrics,
    default_monitor,
    from_label,
    label,
    mode,
    options,
)

pytestmark = pytest.mark.filterwarnings("ignore")
seeds = st.integers(0, 2**32 - 1)


def classes_outcome(seed: int, rows: int, classes: int, levels: int = 7) -> Outcome:
    """Probabilities on a coarse grid, so that ties are common."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    scores = random.integers(1, levels, (rows, classes)) + 2.0 * np.eye(classes)[truth] * random.integers(0, 2, (rows, 1))
    scores = scores / scores.sum(axis=1, keepdims=True)
    return Outcome("binary" if classes == 2 else "category", truth, scores)


def sets_outcome(seed: int, rows: int, labels: int) -> Outcome:
    random = np.random.default_rng(seed)
    truth = random.random((rows, labels)) < 0.4
    return Outcome("set", truth, np.round(0.6 * random.random(truth.shape) + 0.4 * truth, 1))


def numbers_outcome(seed: int, rows: int, width: int | None = None) -> Outcome:
    random = np.random.default_rng(seed)
    truth = np.round(random.normal(3, 10, rows if width is None else (rows, width)), 1)
    return Outcome("number" if width is None else "vector", truth, np.round(truth + random.normal(0, 4, truth.shape), 1))


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(2, 60), st.integers(2, 6))
def test_class_metrics_are_those_of_the_reference(seed: int, rows: int, classes: int) -> None:
    outcome = classes_outcome(seed, rows, classes)
    truth, labels, scores = outcome.truth, outcome.labels, outcome.scores
    assume(len(np.unique(truth)) > 1)
    expected = {
        "accuracy": reference.accuracy_score(truth, labels),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, labels),
        "mcc": reference.matthews_corrcoef(truth, labels),
        "kappa": reference.cohen_kappa_score(truth, labels),
        "log_loss": reference.log_loss(truth, scores, labels=np.arange(classes)),
    }
    computed = compute(outcome, list(expected))
    assert computed == pytest.approx(expected, abs=1e-12, nan_ok=True)
    averages = ["macro", "micro", "weighted"] + (["binary"] if classes == 2 else [])
    for average in averages:
        ours = [compute_one(outcome, options(name, average=average)) for name in ("precision", "recall", "f1")]
        theirs = reference.precision_recall_fscore_support(truth, labels, average=average, zero_division=0)[:3]
        assert ours == pytest.approx(list(theirs), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(3, 80), st.integers(2, 5))
def test_ranking_metrics_are_those_of_the_reference_with_ties(seed: int, rows: int, classes: int) -> None:
    outcome = classes_outcome(seed, rows, classes)
    positive, scores = outcome.positives, outcome.ranked
    assume(len(np.unique(outcome.truth)) == classes)
    for average in ("macro", "weighted"):
        areas = [reference.roc_auc_score(positive[:, k], scores[:, k]) for k in range(scores.shape[1])]
        steps = [reference.average_precision_score(positive[:, k], scores[:, k]) for k in range(scores.shape[1])]
        weights = positive.sum(axis=0) if average == "weighted" else None
        assert compute_one(outcome, options("roc_auc", average=average)) == pytest.approx(np.average(areas, weights=weights), abs=1e-12)
        assert compute_one(outcome, options("average_precision", average=average)) == pytest.approx(
            np.average(steps, weights=weights), abs=1e-12
        )
    if classes > 2:
        whole = reference.roc_auc_score(outcome.truth, outcome.scores, multi_class="ovr")
        assert compute_one(outcome, "roc_auc") == pytest.approx(whole, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(5, 60), st.integers(3, 6), st.integers(1, 4))
def test_top_k_and_brier_are_those_of_the_reference(seed: int, rows: int, classes: int, k: int) -> None:
    random = np.random.default_rng(seed)
    outcome = Outcome("category", random.integers(0, classes, rows), random.dirichlet(np.ones(classes), rows))
    labels = np.arange(classes)
    assert compute_one(outcome, options("top_k_accuracy", k=k)) == pytest.approx(
        reference.top_k_accuracy_score(outcome.truth, outcome.scores, k=k, labels=labels)
    )
    squared = ((outcome.scores - np.eye(classes)[outcome.truth]) ** 2).sum(axis=1).mean()
    assert compute_one(outcome, "brier") == pytest.approx(squared)
    binary = Outcome("binary", random.integers(0, 2, rows), random.random(rows))
    assert compute_one(binary, "brier") == pytest.approx(reference.brier_score_loss(binary.truth, binary.scores[:, 1], pos_label=1))


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(2, 60), st.sampled_from([None, 1, 3]))
def test_number_metrics_are_those_of_the_reference(seed: int, rows: int, width: int | None) -> None:
    outcome = numbers_outcome(seed, rows, width)
    truth, scores = outcome.truth, outcome.scores
    columns = list(zip(*(each.T for each in outcome.columns()), strict=True))
    assume(all(np.ptp(each) > 0 for pair in columns for each in pair))
    expected = {
        "r2": reference.r2_score(truth, scores),
        "rmse": reference.root_mean_squared_error(truth, scores),
        "mse": reference.mean_squared_error(truth, scores),
        "mae": reference.mean_absolute_error(truth, scores),
        "median_ae": reference.median_absolute_error(truth, scores),
        "explained_variance": reference.explained_variance_score(truth, scores),
        "max_error": np.abs(truth - scores).max(),
        "pearson": np.mean([stats.pearsonr(*pair)[0] for pair in columns]),
        "spearman": np.mean([stats.spearmanr(*pair)[0] for pair in columns]),
    }
    assert compute(outcome, list(expected)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if (truth != 0).all():
        assert compute_one(outcome, "mape") == pytest.approx(reference.mean_absolute_percentage_error(truth, scores))


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(2, 40), st.integers(2, 6))
def test_set_metrics_are_those_of_the_reference(seed: int, rows: int, labels: int) -> None:
    outcome = sets_outcome(seed, rows, labels)
    truth, predicted = outcome.truth, outcome.labels
    assert compute_one(outcome, "hamming") == pytest.approx(reference.hamming_loss(truth, predicted))
    assert compute_one(outcome, "subset_accuracy") == pytest.approx(reference.accuracy_score(truth, predicted))
    assert compute_one(outcome, "jaccard") == pytest.approx(reference.jaccard_score(truth, predicted, average="samples", zero_division=1))
    assert compute_one(outcome, options("f1", average="samples")) == pytest.approx(
        reference.f1_score(truth, predicted, average="samples", zero_division=1)
    )
    seen = (truth | predicted).any(axis=0)
    assume(seen.sum() > 1)  # the reference takes a single label for two classes
    for average in ("macro", "micro"):
        ours = [compute_one(outcome, options(name, average=average)) for name in ("f1", "jaccard")]
        theirs = [
            score(truth[:, seen], predicted[:, seen], average=average, zero_division=0)
            for score in (reference.f1_score, reference.jaccard_score)
        ]
        assert ours == pytest.approx(theirs)


def test_known_values_of_the_metrics_without_a_reference_hold() -> None:
    outcome = Outcome("number", [1.0, 0.0, -2.0], [3.0, 0.0, 2.0])
    assert compute_one(outcome, "smape") == pytest.approx((2 * 2 / 4 + 0 + 2 * 4 / 4) / 3)
    vectors = Outcome("vector", [[1.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [1.0, -1.0]])
    assert compute_one(vectors, "cosine") == pytest.approx(0.5)
    certain = Outcome("binary", [0, 1, 1, 1], [0.1, 0.9, 0.9, 0.9])
    assert compute_one(certain, options("ece", bins=10)) == pytest.approx((0.1 + 3 * 0.1) / 4)
    assert compute_one(Outcome("category", [0, 1], [[1.0, 0.0], [1.0, 0.0]]), "log_loss") == pytest.approx(-np.log(np.finfo(float).eps) / 2)


@pytest.mark.parametrize("name", [name for name, part in PARTS.own.items() if not part.paired])
def test_a_score_that_is_not_a_number_makes_the_metric_nan(name: str) -> None:
    for kind in [each for each in PARTS.own[name].kinds if each != "mask"]:
        outcome = {"binary": classes_outcome(0, 9, 2), "category": classes_outcome(0, 9, 3), "set": sets_outcome(0, 9, 3)}.get(
            kind, numbers_outcome(0, 9, 2 if kind == "vector" else None)
        )
        assert math.isfinite(compute_one(outcome, name)) or name == "mape"
        broken = outcome.scores.copy()
        broken.flat[3] = np.nan
        assert math.isnan(compute_one(Outcome(kind, outcome.truth, broken), name))
        assert math.isnan(compute_one(outcome.take(np.zeros(0, int)), name))


@pytest.mark.parametrize("name", [name for name, part in PARTS.own.items() if not part.paired])
def test_a_single_row_or_a_single_class_never_crashes_and_stays_in_range(name: str) -> None:
    for kind in [each for each in PARTS.own[name].kinds if each != "mask"]:
        one = {"binary": classes_outcome(1, 1, 2), "category": classes_outcome(1, 1, 3), "set": sets_outcome(1, 1, 3)}.get(
            kind, numbers_outcome(1, 1, 2 if kind == "vector" else None)
        )
        for outcome in (one, one.take(np.zeros(5, int))):
            value = compute_one(outcome, name)
            assert math.isnan(value) or PARTS[name].low <= value <= PARTS[name].high


def test_metrics_that_need_two_classes_or_two_values_are_nan_without_them() -> None:
    single = Outcome("binary", [0, 0, 0], [0.2, 0.3, 0.6])
    assert all(math.isnan(value) for value in compute(single, ["roc_auc", "average_precision", "mcc"]).values())
    assert compute_one(single, "f1") == 0.0 and math.isnan(compute_one(single.take(np.array([0, 1])), "f1"))
    constant = Outcome("number", [0.1] * 7, [0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1])
    assert all(math.isnan(value) for value in compute(constant, ["r2", "explained_variance", "pearson", "spearman"]).values())


def test_r_squared_keeps_its_digits_far_from_zero() -> None:
    truth = 1e9 + np.arange(50.0)
    scores = truth + np.sin(np.arange(50.0))
    assert compute_one(Outcome("number", truth, scores), "r2") == pytest.approx(reference.r2_score(truth, scores), abs=1e-9)


def test_monitors_know_which_way_is_better() -> None:
    assert [mode(name) for name in ("loss", "survived.roc_auc", "f1_micro", "price.rmse", "a.b.r2")] == ["min", "max", "max", "min", "max"]
    assert all(
        mode(label(each)) == ("max" if PARTS[each.type].higher_is_better else "min")
        for kind in ("binary", "set")
        for each in default_metrics(kind)
    )
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        mode("survived.acuracy")


def test_every_kind_has_defaults_that_are_defined_for_it() -> None:
    for kind in ("binary", "category", "number", "vector", "set"):
        for metric in default_metrics(kind):
            check_target("metric", metric, kind)
        assert kind in PARTS.own[default_monitor(kind)].kinds
    with pytest.raises(ConfigError, match="not defined for the number target 'price'"):
        check_target("metric", options("accuracy"), "number", "price")


def test_labels_name_the_options_that_differ() -> None:
    assert [label(options("f1")), label(options("f1", average="micro")), label(options("top_k_accuracy", k=5))] == [
        "f1",
        "f1_micro",
        "top_k_accuracy_5",
    ]


def test_a_label_leads_back_to_its_options() -> None:
    asked = [options("f1"), options("f1", average="micro"), options("top_k_accuracy", k=5), options("ece", bins=10)]
    assert [from_label(label(each)) for each in asked] == asked
    for wrong in ("f1_middle", "top_k_accuracy_0", "acuracy"):
        with pytest.raises(ConfigError, match=f"unknown metric type '{wrong}'"):
            from_label(wrong)
    outcome = classes_outcome(0, 30, 3)
    assert compute(outcome, ["f1_micro"]) == {"f1_micro": compute_one(outcome, options("f1", average="micro"))}


def test_shapes_that_do_not_fit_are_refused() -> None:
    for kind, truth, scores in [("binary", [0, 1], [[0.1, 0.2, 0.7]] * 2), ("number", [1.0], [1.0, 2.0]), ("category", [3], [[0.5, 0.5]])]:
        with pytest.raises(ValueError):
            Outcome(kind, np.array(truth), np.array(scores))


def test_the_table_loads_neither_numpy_nor_torch_and_metrics_load_no_scipy() -> None:
    code = (
        "import sys, trainwright.metrics as m; m.default_metrics('binary'); m.mode('loss');"
        "assert not {'numpy', 'torch'} & set(sys.modules);"
        "m.compute(m.Outcome('binary', [0, 1], [0.1, 0.9]), m.default_metrics('binary'));"
        "assert not {'scipy', 'sklearn', 'pandas', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
