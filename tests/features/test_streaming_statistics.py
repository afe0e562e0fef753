from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, skew

from trainwright.features.statistics import BLOCK, Moments, Reblocked, Sample, mode, normal_quantile, quantiles, skewness


def moments_of(values: np.ndarray, cuts: list[int]) -> Moments:
    blocks, moments = Reblocked(), Moments()
    places = [0, *sorted(cuts), len(values)]
    for start, end in pairwise(places):
        for block in blocks.add(values[start:end]):
            moments.add(block)
    for block in blocks.rest():
        moments.add(block)
    return moments


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3 * BLOCK + 17), max_size=6))
def test_moments_are_the_same_bits_for_every_way_of_cutting(cuts: list[int]) -> None:
    values = np.random.default_rng(0).normal(1e6, 1, 3 * BLOCK + 17)
    whole, cut = moments_of(values, []), moments_of(values, cuts)
    assert (whole.mean, whole.squares, whole.low, whole.high, whole.count) == (cut.mean, cut.squares, cut.low, cut.high, cut.count)


def test_moments_of_large_numbers_keep_their_precision() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200_000)
    moments = moments_of(values + 1e9, [])
    assert moments.mean == pytest.approx(1e9 + values.mean(), abs=1e-6)
    assert moments.deviation == pytest.approx((values + 1e9).std(), rel=1e-9)


def test_the_normal_quantile_agrees_with_scipy() -> None:
    p = np.concatenate([np.logspace(-300, -1, 500), np.linspace(0.001, 0.999, 500), 1 - np.logspace(-15, -1, 100)])
    np.testing.assert_allclose(normal_quantile(p), norm.ppf(p), rtol=1e-14, atol=1e-15)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quantiles_are_those_of_numpy(values: list[float]) -> None:
    shares = np.linspace(0, 1, 13)
    np.testing.assert_allclose(quantiles(np.sort(values), shares), np.quantile(values, shares), rtol=1e-12, atol=1e-9)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_mode_is_the_most_frequent_value_and_the_smallest_on_a_tie(values: list[int]) -> None:
    best = max(sorted(set(values)), key=values.count)
    assert mode(np.sort(np.array(values, float))) == best


def test_skewness_is_that_of_scipy() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=1_000))
    assert skewness(values) == pytest.approx(skew(values), rel=1e-9)


@pytest.mark.parametrize("cut", [1, 7, 4_096])
def test_a_sample_of_a_long_stream_does_not_depend_on_its_blocks(cut: int) -> None:
    values = np.random.default_rng(0).normal(size=20_000)

    def sampled(size: int) -> Sample:
        sample = Sample(exact=5_000, limit=2_000)
        for start in range(0, len(values), size):
            sample.add(values[start : start + size])
        return sample

    whole, cut_up = sampled(len(values)), sampled(cut)
    np.testing.assert_array_equal(whole.sort_kept(), cut_up.sort_kept())
    assert 900 < len(whole.sort_kept()) <= 2_000


def test_a_sample_of_a_long_stream_keeps_its_distribution() -> None:
    values = np.tile(np.arange(8.0), 50_000)
    sample = Sample(exact=50_000, limit=20_000)
    sample.add(values)
    found = np.bincount(sample.sort_kept().astype(int), minlength=8) / len(sample.sort_kept())
    np.testing.assert_allclose(found, 1 / 8, atol=0.01)


def test_a_short_stream_is_kept_whole() -> None:
    sample = Sample(exact=10, limit=5)
    sample.add(np.arange(10.0))
    np.testing.assert_array_equal(sample.sort_kept(), np.arange(10.0))
