from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, skew

from trainwright.features.statistics import BLOCK, Moments, Reblocked, Sample, distinct_edges, mode, normal_quantile, quantiles, skewness


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


def test_without_a_frequent_value_edges_are_the_quantiles_and_of_few_values_each_is_one() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=5000))
    assert np.array_equal(distinct_edges(values, 49), quantiles(values, np.linspace(0, 1, 49)))
    few = np.sort(np.random.default_rng(0).choice([0.0, 1.0, 2.0, 10.0], 500, p=[0.9, 0.05, 0.03, 0.02]))
    assert distinct_edges(few, 49).tolist() == [0.0, 1.0, 2.0, 10.0]
    assert distinct_edges(np.zeros(0), 5).tolist() == [0.0] * 5


@pytest.mark.parametrize("frequent", [0.0, 40.0, 99.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.92, 0.999])
def test_a_frequent_value_takes_one_edge_and_leaves_the_others_to_the_rest(frequent: float, share: float) -> None:
    random = np.random.default_rng(1)
    rest = random.uniform(0, 99, 20_000)
    values = np.sort(np.where(random.random(20_000) < share, frequent, rest))
    edges = distinct_edges(values, 49)
    assert (np.diff(edges) > 0).all() and edges[0] == values[0] and edges[-1] == values[-1]
    others = values[values != frequent]
    assert frequent in edges and len(edges) >= min(47, len(np.unique(others)))
    held, _ = np.histogram(others, edges)
    usual = len(others) / (len(edges) - 1)
    assert held.max() <= 3 * usual + 1
