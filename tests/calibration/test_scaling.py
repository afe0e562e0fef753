"""Temperatures and vectors: golden numbers, what a known factor gives back, never worse than before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.calibration import fit_temperature, fit_vector, reliability
from trainwright.calibration.fitting import probabilities
from trainwright.metrics import Outcome

LOGITS = np.array([(2, 0), (1, 0), (0, 3), (0, 1), (4, 0), (0, 2)], np.float64)
TRUTH = np.array([0, 1, 1, 1, 0, 0])


def drawn(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn by their very probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * 1.5
    sums = probabilities("category", logits).cumsum(axis=1)
    return logits, (rng.random((rows, 1)) > sums[:, :-1]).sum(axis=1)


def test_the_temperature_of_six_rows_is_the_one_found_by_minimising_the_likelihood_by_hand() -> None:
    # scipy.optimize.minimize_scalar of the mean cross entropy over T; ECE by hand over the bins of equal width
    found = fit_temperature(LOGITS, TRUTH)
    assert found.temperature == pytest.approx(2.1182925793, abs=1e-8)
    assert (found.nll_before, found.nll_after) == pytest.approx((0.6578527794, 0.5668293996), abs=1e-9)
    measured = reliability(Outcome("category", TRUTH, probabilities("category", LOGITS)))
    # torchmetrics computes it in float32
    assert measured["ece"] == pytest.approx(0.2148539058, abs=1e-8) and measured["brier"] == pytest.approx(0.4664538933, abs=1e-9)


@pytest.mark.parametrize("factor", [0.2, 0.5, 3.0, 8.0])
def test_logits_times_a_factor_have_the_temperature_times_it(factor: float) -> None:
    logits, truth = drawn(3000, 4)
    base = fit_temperature(logits, truth).temperature
    assert base == pytest.approx(1.0, abs=0.1)  # they were drawn at 1
    assert fit_temperature(logits * factor, truth).temperature == pytest.approx(base * factor, rel=1e-6)


def test_the_temperature_is_that_of_scikit_learn() -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    y = np.where(x @ np.array([1.0, -2.0, 0.5]) + rng.logistic(size=400) > 0.7, 2, (x[:, 0] > 0).astype(int))
    model = LogisticRegression(C=1000.0).fit(x[:200], y[:200])
    logits = model.decision_function(x[200:])
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(x[200:], y[200:])
    ours = fit_temperature(logits, y[200:]).apply(logits)
    assert probabilities("category", ours) == pytest.approx(theirs.predict_proba(x[200:]), abs=2e-4)


def test_a_vector_of_one_logit_is_the_unpenalised_logistic_regression_on_it() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(2)
    logit = rng.normal(size=500) * 3
    truth = (rng.random(500) < 1 / (1 + np.exp(-(0.4 * logit + 0.8)))).astype(int)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], truth)
    ours = fit_vector(logit, truth)
    assert (ours.scale[0], ours.shift[0]) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-5)


def test_a_vector_finds_the_factors_and_shifts_that_were_put_in() -> None:
    logits, truth = drawn(60_000, 3, seed=3)
    scale, shift = np.array([0.5, 2.0, 1.0]), np.array([0.7, -0.3, -0.4])
    found = fit_vector((logits - shift) / scale, truth)
    assert found.scale == pytest.approx(scale, rel=0.05) and found.shift == pytest.approx(shift, abs=0.05)


def test_labels_share_one_temperature_and_have_factors_and_shifts_of_their_own() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(20_000, 3)) * 2
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
    assert fit_temperature(logits * 4, truth).temperature == pytest.approx(4.0, rel=0.05)
    each = [fit_vector(logits[:, k], truth[:, k]) for k in range(3)]
    together = fit_vector(logits, truth)
    assert together.scale == pytest.approx(np.concatenate([one.scale for one in each]), abs=1e-4)
    assert together.shift == pytest.approx(np.concatenate([one.shift for one in each]), abs=1e-4)


def test_a_row_of_weight_two_is_two_rows() -> None:
    logits, truth = drawn(300, 3)
    weights = np.random.default_rng(0).integers(1, 4, 300)
    twice = np.repeat(np.arange(300), weights)
    weighed = fit_temperature(logits, truth, weights=weights)
    assert weighed.temperature == pytest.approx(fit_temperature(logits[twice], truth[twice]).temperature, rel=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 5), st.sampled_from([0.01, 1.0, 30.0]))
def test_no_scaling_is_worse_than_the_logits_as_they_are_and_a_temperature_moves_no_class(
    seed: int, rows: int, classes: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(size=(rows, classes)) * size, rng.integers(0, classes, rows)
    found = fit_temperature(logits, truth)
    assert found.nll_after <= found.nll_before
    assert (found.apply(logits).argmax(axis=1) == logits.argmax(axis=1)).all()
    if len(set(truth.tolist())) == classes:
        fitted = fit_vector(logits, truth)
        assert fitted.nll_after <= fitted.nll_before and np.isfinite(fitted.scale).all()


def test_rows_that_are_all_right_keep_their_logits_and_rows_that_are_all_wrong_a_bounded_temperature_and_it_is_said() -> None:
    for fit in (fit_temperature, fit_vector):
        right = fit(np.eye(3) * 2, np.arange(3))
        assert right.scale.tolist() == [1.0] * len(right.scale) and "every row is right" in right.note
    wrong = fit_temperature(np.eye(3) * 2, (np.arange(3) + 1) % 3)
    assert wrong.temperature == pytest.approx(100.0) and "upper bound" in wrong.note
    flat = fit_temperature(np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    assert flat.temperature == 1.0 and "kept" in flat.note


@pytest.mark.parametrize(
    ("logits", "truth", "said"),
    [
        (np.zeros((0, 2)), np.zeros(0), "no rows"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), "class numbers from 0 to 1"),
        (np.zeros((3, 2)), np.array([0.5, 1, 0]), "class numbers"),
        (np.full((2, 2), np.nan), np.array([0, 1]), "finite"),
        (np.zeros((3, 2)), np.array([0, 1]), "first axis n"),
        (np.zeros(3), np.array([0, 2, 1]), "0 or 1"),
        (np.zeros((3, 2)), np.zeros((3, 3)), "0 or 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_would(logits: np.ndarray, truth: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_temperature(logits, truth)


def test_a_vector_is_refused_where_a_class_has_no_row() -> None:
    with pytest.raises(ValueError, match="no row is of class 1"):
        fit_vector(np.zeros((4, 3)), np.array([0, 2, 0, 2]))
    with pytest.raises(ValueError, match="no row is of label 1 with 1"):
        fit_vector(np.zeros((2, 2)), np.array([[0, 0], [1, 0]]))
