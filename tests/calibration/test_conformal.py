"""Conformal intervals and sets: exact ranks, and coverage within the exact bounds of its distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from trainwright.calibration import (
    conformal_quantile,
    fit_class_sets,
    fit_intervals,
    fit_quantile_intervals,
)
from trainwright.calibration.conformal import class_scores, conformal_rank, least_rows, uniform_draws

TENTHS = np.arange(1, 10) / 10


def test_the_quantile_of_nine_scores_is_the_ranked_one_or_infinite() -> None:
    assert [conformal_quantile(TENTHS, alpha) for alpha in (0.1, 0.2, 0.05)] == [0.9, 0.8, math.inf]
    assert conformal_quantile(TENTHS[::-1], 0.7) == 0.3  # 10 · 0.3 is 3, which 10 · (1 - 0.7) is not in floating point
    assert [least_rows(alpha) for alpha in (0.1, 0.05, 0.01, 0.5, 0.3)] == [9, 19, 99, 1, 3]
    for alpha in (0.01, 0.05, 0.1, 0.2, 0.3, 0.7, 0.9):
        assert (
            conformal_rank(least_rows(alpha), alpha) <= least_rows(alpha)
            and conformal_rank(least_rows(alpha) - 1, alpha) > least_rows(alpha) - 1
        )
    with pytest.raises(ValueError, match="between 0 and 1"):
        conformal_quantile(TENTHS, 1.0)
    with pytest.raises(ValueError, match="NaN"):
        conformal_quantile([0.1, math.nan], 0.5)


def covered(repetitions: int, rows: int, alpha: float, miss: object) -> float:
    """The mean over repetitions of the coverage of `rows` new rows."""
    return float(np.mean([miss(np.random.default_rng(seed)) for seed in range(repetitions)]))  # type: ignore[operator]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["residual", "normalised", "quantile", "lac", "aps", "drawn"])
def test_coverage_over_seeded_repetitions_is_within_the_bounds_of_its_beta_distribution(alpha: float, kind: str) -> None:
    """Coverage given n rows is Beta(k, n + 1 - k): its mean over R repetitions of m new rows has a known mean and deviation."""
    n, m, repetitions = 60, 200, 400

    def once(rng: np.random.Generator) -> float:
        if kind in ("residual", "normalised", "quantile"):
            sigma = 0.5 + rng.random(n + m)
            values = rng.normal(size=n + m)
            truth = values + sigma * rng.normal(size=n + m)
            new = slice(n, None)
            if kind == "quantile":
                fitted = fit_quantile_intervals(values[:n] - 1, values[:n] + 0.7, truth[:n], alpha)
                low, high = fitted.interval((values[new] - 1, values[new] + 0.7))
            else:
                given = sigma if kind == "normalised" else None
                fitted = fit_intervals(values[:n], truth[:n], alpha, sigma=None if given is None else given[:n])
                low, high = fitted.interval(values[new], None if given is None else given[new])
            return float(((low <= truth[new]) & (truth[new] <= high)).mean())
        logits = rng.normal(size=(n + m, 4)) * 2
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = (rng.random((n + m, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
        score = "lac" if kind == "lac" else "aps"
        sets = fit_class_sets(p[:n], truth[:n], alpha, score=score, randomised=kind == "drawn", seed=int(rng.integers(1 << 30)))
        return float(sets.contains(p[n:])[np.arange(m), truth[n:]].mean())

    rank = conformal_rank(n, alpha)
    exact = stats.betabinom(m, rank, n + 1 - rank)
    deviation = exact.std() / m / math.sqrt(repetitions)
    assert abs(covered(repetitions, m, alpha, once) - exact.mean() / m) < 4 * deviation
    assert 1 - alpha <= exact.mean() / m <= 1 - alpha + 1 / (n + 1)


def test_sets_of_a_hand_made_row() -> None:
    p = np.array([[0.5, 0.3, 0.2]])
    assert class_scores(p, "lac") == pytest.approx(np.array([[0.5, 0.7, 0.8]]))
    assert class_scores(p, "aps") == pytest.approx(np.array([[0.5, 0.8, 1.0]]))
    assert class_scores(p, "aps", np.array([0.5])) == pytest.approx(np.array([[0.25, 0.65, 0.9]]))
    assert class_scores(np.array([[0.5, 0.5]]), "aps") == pytest.approx(np.array([[0.5, 1.0]]))  # of equal ones the first comes first


def test_a_set_may_be_empty() -> None:
    rng = np.random.default_rng(0)
    sure = np.repeat([[0.98, 0.01, 0.01]], 50, axis=0)
    fitted = fit_class_sets(sure, np.zeros(50, int), 0.1)
    unsure = rng.dirichlet(np.full(3, 50.0), 10)
    assert (fitted.contains(unsure).sum(axis=1) == 0).all()


def test_a_rows_draw_is_its_own_however_many_are_answered_at_a_time() -> None:
    whole = uniform_draws(3, 0, 10)
    assert np.concatenate([uniform_draws(3, 0, 4), uniform_draws(3, 4, 6)]).tolist() == whole.tolist()
    rng = np.random.default_rng(1)
    p, truth = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    fitted = fit_class_sets(p, truth, 0.2, score="aps", randomised=True, seed=5)
    assert np.array_equal(fitted.contains(p), np.concatenate([fitted.contains(p[:100]), fitted.contains(p[100:], start=100)]))
    assert fitted.contains(p).mean() < fit_class_sets(p, truth, 0.2, score="aps").contains(p).mean()


def test_numbers_of_a_vector_have_intervals_of_their_own() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(99, 2))
    truth = values + rng.normal(size=(99, 2)) * [1.0, 10.0]
    fitted = fit_intervals(values, truth, 0.1)
    assert fitted.quantile == pytest.approx([conformal_quantile(np.abs(truth - values)[:, k], 0.1) for k in range(2)])
    low, high = fitted.interval(values[:5])
    assert high - low == pytest.approx(np.tile(2 * fitted.quantile, (5, 1)))


def test_rows_that_bound_nothing_are_refused() -> None:
    eight, nine, p = np.zeros(8), np.zeros(9), np.full((8, 2), 0.5)
    for fit in (
        lambda: fit_intervals(eight, eight, 0.1),
        lambda: fit_intervals(eight, eight, 0.1, sigma=eight + 1),
        lambda: fit_quantile_intervals(eight, eight, eight, 0.1),
        lambda: fit_class_sets(p, eight.astype(int), 0.1),
    ):
        with pytest.raises(ValueError, match=r"alpha 0\.1 needs at least 9 rows, there are 8"):
            fit()
    assert np.isfinite(fit_intervals(nine, nine + 1, 0.1).quantile).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="both be"):
        fit_intervals(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="above 0"):
        fit_intervals(np.zeros(3), np.zeros(3), sigma=np.array([1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="class numbers"):
        fit_class_sets(np.full((3, 2), 0.5), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="lac or aps"):
        fit_class_sets(np.full((3, 2), 0.5), np.array([0, 1, 1]), randomised=True)
    sets, spans = fit_class_sets(np.full((9, 2), 0.5), np.zeros(9, int)), fit_intervals(np.zeros(9), np.ones(9))
    with pytest.raises(ValueError, match="contains"):
        sets.interval(np.zeros(2))
    with pytest.raises(ValueError, match="interval"):
        spans.contains(np.zeros((2, 2)))
